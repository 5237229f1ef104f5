// SPDX-License-Identifier: MIT
#include "engine/grammar/schema/formats.h"

namespace clamma {
namespace {

// Years 0001 to 9999; leap years are those that 4 divides, without those that only 100 divides.
#define CLAMMA_YEAR "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
#define CLAMMA_BY_4 "(?:0[48]|[2468][048]|[13579][26])"
#define CLAMMA_LEAP_YEAR "(?:[0-9]{2}" CLAMMA_BY_4 "|(?:0[48]|[2468][048]|[13579][26])00)"
#define CLAMMA_DATE                                                     \
  "(?:" CLAMMA_YEAR                                                     \
  "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"                   \
  "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))" \
  "|" CLAMMA_LEAP_YEAR "-02-29)"
// No leap seconds: whether there is one depends on the date.
#define CLAMMA_HOUR "(?:[01][0-9]|2[0-3])"
#define CLAMMA_TIME \
  CLAMMA_HOUR ":[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+\\-]" CLAMMA_HOUR ":[0-5][0-9])"

// RFC 3339, appendix A.
#define CLAMMA_DURATION_TIME "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
#define CLAMMA_DURATION                                                           \
  "P(?:[0-9]+W|(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)(?" \
  ":" CLAMMA_DURATION_TIME ")?|" CLAMMA_DURATION_TIME ")"

// Up to 6 labels of up to 41 characters: at most 251 of the 253 that a name may have. No two
// hyphens in a row, which internationalised names would need.
#define CLAMMA_LABEL "[A-Za-z0-9](?:-?[A-Za-z0-9]){0,20}"
#define CLAMMA_HOSTNAME CLAMMA_LABEL "(?:\\." CLAMMA_LABEL "){0,5}"
#define CLAMMA_ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-]{1,20}"
#define CLAMMA_EMAIL CLAMMA_ATOM "(?:\\." CLAMMA_ATOM "){0,2}@" CLAMMA_HOSTNAME

#define CLAMMA_BYTE "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define CLAMMA_HEX "[0-9A-Fa-f]{1,4}"
// Eight groups, or fewer around "::"; none in the form of IPv4.
#define CLAMMA_IPV6                                                                              \
  "(?:(?:" CLAMMA_HEX ":){7}" CLAMMA_HEX "|(?:" CLAMMA_HEX ":){6}:" CLAMMA_HEX "|(?:" CLAMMA_HEX \
  ":){5}(?::" CLAMMA_HEX "){1,2}|(?:" CLAMMA_HEX ":){4}(?::" CLAMMA_HEX "){1,3}|(?:" CLAMMA_HEX  \
  ":){3}(?::" CLAMMA_HEX "){1,4}|(?:" CLAMMA_HEX ":){2}(?::" CLAMMA_HEX "){1,5}|" CLAMMA_HEX     \
  ":(?::" CLAMMA_HEX "){1,6}|:(?::" CLAMMA_HEX "){1,7}|(?:" CLAMMA_HEX ":){1,7}:|::)"

// RFC 3986, without literal addresses.
#define CLAMMA_ESCAPED "%[0-9A-Fa-f]{2}"
#define CLAMMA_PLAIN "A-Za-z0-9._~!$&'()*+,;=\\-"
#define CLAMMA_PCHAR "(?:[" CLAMMA_PLAIN ":@]|" CLAMMA_ESCAPED ")"
#define CLAMMA_SEGMENTS "(?:/" CLAMMA_PCHAR "*)*"
#define CLAMMA_AUTHORITY                                                                   \
  "(?:(?:[" CLAMMA_PLAIN ":]|" CLAMMA_ESCAPED ")*@)?(?:[" CLAMMA_PLAIN "]|" CLAMMA_ESCAPED \
  ")+(?::[0-9]{0,5})?"
#define CLAMMA_TAIL                                                             \
  "(?:\\?(?:[" CLAMMA_PLAIN ":@/?]|" CLAMMA_ESCAPED ")*)?(?:#(?:[" CLAMMA_PLAIN \
  ":@/?]|" CLAMMA_ESCAPED ")*)?"
#define CLAMMA_ROOTED \
  "//" CLAMMA_AUTHORITY CLAMMA_SEGMENTS "|/(?:" CLAMMA_PCHAR "+" CLAMMA_SEGMENTS ")?"
#define CLAMMA_URI                                                                   \
  "[A-Za-z][A-Za-z0-9+.\\-]*:(?:" CLAMMA_ROOTED "|" CLAMMA_PCHAR "+" CLAMMA_SEGMENTS \
  ")?" CLAMMA_TAIL
#define CLAMMA_RELATIVE                                                              \
  "(?:" CLAMMA_ROOTED "|(?:[" CLAMMA_PLAIN "@]|" CLAMMA_ESCAPED ")+" CLAMMA_SEGMENTS \
  ")?" CLAMMA_TAIL
#define CLAMMA_URI_REFERENCE "(?:" CLAMMA_URI "|" CLAMMA_RELATIVE ")"
#define CLAMMA_POINTER "(?:/(?:[^/~]|~[01])*)*"

constexpr JsonFormat kFormats[] = {
    {"date", CLAMMA_DATE},
    {"time", CLAMMA_TIME},
    {"date-time", CLAMMA_DATE "T" CLAMMA_TIME},
    {"duration", CLAMMA_DURATION},
    {"email", CLAMMA_EMAIL},
    {"idn-email", CLAMMA_EMAIL},
    {"hostname", CLAMMA_HOSTNAME},
    {"idn-hostname", nullptr},
    {"ipv4", CLAMMA_BYTE "(?:\\." CLAMMA_BYTE "){3}"},
    {"ipv6", CLAMMA_IPV6},
    {"uri", CLAMMA_URI},
    {"iri", CLAMMA_URI},
    {"uri-reference", CLAMMA_URI_REFERENCE},
    {"iri-reference", CLAMMA_URI_REFERENCE},
    {"uri-template", nullptr},
    {"uuid", "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"},
    {"json-pointer", CLAMMA_POINTER},
    {"relative-json-pointer", "(?:0|[1-9][0-9]*)(?:#|" CLAMMA_POINTER ")"},
    {"regex", nullptr},
};

}  // namespace

const JsonFormat* FindJsonFormat(std::string_view name) {
  for (const JsonFormat& format : kFormats) {
    if (format.name == name) return &format;
  }
  return nullptr;
}

}  // namespace clamma
