# SPDX-License-Identifier: MIT
"""The generator of server_load.py, with locust: server_load_worker.py OPTIONS, a JSON object. Prints a JSON
object of what it measured."""
import itertools
import json
import os
import random
import sys
import time

import gevent
from locust import HttpUser, constant_throughput, task
from locust.env import Environment

OPTIONS = json.loads(sys.argv[1])
ENDS = {"0": -100, "2": -100}  # the tokens that end texts, so that each answer has its full length
FIRST, LAST = 1000, 40000      # ordinary tokens of the default model
numbers = itertools.count()
firsts, gaps, ends, failures = [], [], [], []


def prompt():
    """Tokens that no other request has, behind those that all share."""
    own = random.Random(OPTIONS["seed"] * 1000003 + next(numbers))
    shared = random.Random(OPTIONS["seed"])
    return [shared.randint(FIRST, LAST) for _ in range(OPTIONS["shared"])] + \
        [own.randint(FIRST, LAST) for _ in range(OPTIONS["input"] - OPTIONS["shared"])]


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))] if values else None


class User(HttpUser):  # FastHttpUser reads streams in blocks, and would not see when a token comes
    host = OPTIONS["url"]
    rate = OPTIONS["rate"] / OPTIONS["users"]  # requests a second; 0: one after the other
    if rate > 0:
        wait_time = constant_throughput(rate)

    def on_start(self):
        if self.rate > 0:  # spreads the users
            gevent.sleep(random.random() / self.rate)

    @task
    def complete(self):
        begin, last = time.monotonic(), None
        body = {"prompt": prompt(), "max_tokens": OPTIONS["output"], "temperature": 0, "stream": True,
                "logit_bias": ENDS, "stream_options": {"include_usage": True}}
        usage = None
        answer = self.client.post("/v1/completions", json=body, stream=True, timeout=600)
        for line in answer.iter_lines(chunk_size=None):
            if not line.startswith(b"data: {"):
                continue
            event, now = json.loads(line[6:]), time.monotonic()
            usage = event.get("usage") or usage
            if "error" in event:
                break
            if event["choices"] and event["choices"][0].get("text"):
                if last is None:
                    firsts.append((now, now - begin))
                else:
                    gaps.append((now, now - last))
                last = now
        if usage is None or usage["completion_tokens"] != OPTIONS["output"]:
            failures.append(str(usage))
        else:
            ends.append(time.monotonic())


def main():
    random.seed(OPTIONS["seed"])
    environment = Environment(user_classes=[User])
    runner = environment.create_local_runner()
    runner.start(OPTIONS["users"], spawn_rate=OPTIONS["users"])
    gevent.sleep(OPTIONS["warm"])
    begin, used = time.monotonic(), sum(os.times()[:2])
    gevent.sleep(OPTIONS["seconds"])
    end, used = time.monotonic(), sum(os.times()[:2]) - used
    tokens = sum(begin <= at < end for at, _ in itertools.chain(firsts, gaps))
    in_time = {"first": [value for at, value in firsts if begin <= at < end],
               "between": [value for at, value in gaps if begin <= at < end]}
    print(json.dumps({
        "requests": sum(begin <= at < end for at in ends), "failures": failures[:5],
        "tokens_s": tokens / (end - begin), "generator_cores": used / (end - begin),
        **{f"{name}_{part}": percentile(values, part / 100)
           for name, values in in_time.items() for part in (50, 99)}}), flush=True)
    os._exit(0)  # what runs is of no interest


main()
