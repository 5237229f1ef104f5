#!/bin/bash
# SPDX-License-Identifier: MIT
# check-health.sh [PORT]: succeeds if clamma-server on this machine is ready (default: 8080). Needs only bash.
set -u
port=${1:-8080}
exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
printf 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$port" >&3
read -r -t 2 _ status _ <&3
[[ $status == 200 ]]
