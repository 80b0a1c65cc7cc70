/* Credit control over Diameter (RFC 6733, RFC 8506): what a packet gateway sends on Gy, with one rating group.

   Hop-by-Hop Identifiers are the numbers of slots. The subscriber's number is FIRST_NUMBER and its account. */

enum { DIAMETER_HEAD = 20, CCR_MOST = 1024, CER = 257, CCR = 272, REQUEST_BITS = 0xC0, MANDATORY = 0x40, VENDOR = 0x80 };
enum { RESULT_CODE = 268, SERVICES = 456, GRANTED = 431, TOTAL_OCTETS = 421, TGPP = 10415 };
static const int64_t FIRST_NUMBER = 4915000000000;

static void put_u32(uint8_t *at, uint32_t word) {
    word = htonl(word);
    memcpy(at, &word, 4);
}

static uint32_t u32_at(const uint8_t *at) {
    uint32_t word;
    memcpy(&word, at, 4);
    return ntohl(word);
}

static uint32_t u24_at(const uint8_t *at) { return u32_at(at) & 0xFFFFFF; }

/* Write the header of an AVP whose data is written behind it; closed() then sets its length. */
static uint8_t *opened(uint8_t *at, uint32_t code, uint32_t vendor) {
    put_u32(at, code);
    put_u32(at + 4, (uint32_t)(MANDATORY | (vendor ? VENDOR : 0)) << 24);
    if (!vendor) return at + 8;
    put_u32(at + 8, vendor);
    return at + 12;
}

static uint8_t *closed(uint8_t *begin, uint8_t *end) {
    put_u32(begin + 4, (uint32_t)begin[4] << 24 | (uint32_t)(end - begin));
    while ((end - begin) & 3) *end++ = 0;
    return end;
}

static uint8_t *octets(uint8_t *at, uint32_t code, uint32_t vendor, const void *data, size_t size) {
    uint8_t *body = opened(at, code, vendor);
    memcpy(body, data, size);
    return closed(at, body + size);
}

static uint8_t *text(uint8_t *at, uint32_t code, const char *data) { return octets(at, code, 0, data, strlen(data)); }

static uint8_t *unsigned32(uint8_t *at, uint32_t code, uint32_t word) {
    word = htonl(word);
    return octets(at, code, 0, &word, 4);
}

static uint8_t *unsigned64(uint8_t *at, uint32_t code, uint64_t word) {
    uint32_t both[2] = {htonl((uint32_t)(word >> 32)), htonl((uint32_t)word)};
    return octets(at, code, 0, both, 8);
}

static size_t headed(uint8_t *message, const uint8_t *end, uint8_t flags, uint32_t command, uint32_t application,
                     uint32_t number) {
    put_u32(message, 1u << 24 | (uint32_t)(end - message));
    put_u32(message + 4, (uint32_t)flags << 24 | command);
    put_u32(message + 8, application);
    put_u32(message + 12, number);
    put_u32(message + 16, number);
    return (size_t)(end - message);
}

static uint8_t *origin(uint8_t *at) { return text(text(at, 264, "pgw.load.example"), 296, "load.example"); }

static uint8_t *subscriber(uint8_t *begin, const Slot *slot) {
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)(FIRST_NUMBER + slot->account));
    uint8_t *at = unsigned32(opened(begin, 443, 0), 450, 0);
    return closed(begin, text(at, 444, number));
}

static uint8_t *quota(uint8_t *begin, const Slot *slot, int phase) {
    uint8_t *at = opened(begin, SERVICES, 0);
    if (phase != TERMINATION) {
        uint8_t *asked = at;
        at = closed(asked, unsigned64(opened(asked, 437, 0), TOTAL_OCTETS, (uint64_t)want.quota));
    }
    if (phase != INITIAL) {
        uint8_t *used = at;
        at = closed(used, unsigned64(opened(used, 446, 0), TOTAL_OCTETS, (uint64_t)slot->used));
    }
    return closed(begin, unsigned32(at, 432, 1));
}

static uint8_t *information(uint8_t *begin) {
    static const uint8_t address[4] = {192, 0, 2, 1}, location[8] = {0x82, 0x62, 0xf2, 0x10, 0, 1, 0, 1};
    uint8_t *packets = opened(begin, 873, TGPP), *at = opened(packets, 874, TGPP);
    at = octets(at, 2, TGPP, address, 4); /* 3GPP-Charging-Id */
    at = octets(at, 6, TGPP, address, 4); /* 3GPP-SGSN-Address */
    at = octets(at, 7, TGPP, address, 4); /* 3GPP-GGSN-Address */
    at = text(at, 30, "internet");        /* Called-Station-Id */
    at = octets(at, 18, TGPP, "26201", 5); /* 3GPP-SGSN-MCC-MNC */
    at = octets(at, 21, TGPP, "\6", 1);   /* 3GPP-RAT-Type */
    at = octets(at, 22, TGPP, location, 8); /* 3GPP-User-Location-Info */
    return closed(begin, closed(packets, at));
}

static size_t diameter_request(uint8_t *message, int index, const Slot *slot, int phase) {
    char session[96];
    snprintf(session, sizeof session, "pgw.load.example;%llu;%llu", (unsigned long long)run, (unsigned long long)slot->id);
    uint8_t *at = text(message + DIAMETER_HEAD, 263, session);
    at = text(origin(at), 283, "load.example"); /* Destination-Realm */
    at = unsigned32(at, 258, 4);                /* Auth-Application-Id */
    at = text(at, 461, "8.32251@3gpp.org");     /* Service-Context-Id */
    at = unsigned32(at, 416, (uint32_t)phase);
    at = unsigned32(at, 415, (uint32_t)slot->number);
    at = subscriber(at, slot);
    at = unsigned32(at, 455, 1); /* Multiple-Services-Indicator */
    at = quota(at, slot, phase);
    return headed(message, information(at), REQUEST_BITS, CCR, 4, (uint32_t)index);
}

static size_t diameter_size(const uint8_t *at) { return u24_at(at); }

/* Return the data of the first AVP of that code, and its end; NULL where there is none. */
static const uint8_t *found(const uint8_t *at, const uint8_t *end, uint32_t code, const uint8_t **until) {
    while (end - at >= 8) {
        uint32_t size = u24_at(at + 4);
        const uint8_t *body = at + (at[4] & VENDOR ? 12 : 8);
        if (at + size > end || at + size < body) die("an AVP of a wrong length");
        if (u32_at(at) == code && !(at[4] & VENDOR)) return *until = at + size, body;
        at += size + (-size & 3);
    }
    return NULL;
}

static Answer diameter_answer(const uint8_t *message, size_t size, int (*phase_of)(int64_t index)) {
    if (size < DIAMETER_HEAD || message[4] & 0x80) die("no answer");
    Answer answer = {.index = u32_at(message + 12)};
    int phase = phase_of(answer.index);
    const uint8_t *end = message + size, *until, *within, *at = found(message + DIAMETER_HEAD, end, RESULT_CODE, &until);
    answer.result = at ? u32_at(at) : 0;
    if (answer.result != SUCCESS || phase == TERMINATION) return answer;
    within = found(message + DIAMETER_HEAD, end, SERVICES, &until);
    if (!within) die("an answer without its rating group");
    const uint8_t *group_end = until;
    at = found(within, group_end, RESULT_CODE, &until);
    answer.result = at ? u32_at(at) : 0;
    at = found(within, group_end, GRANTED, &until);
    at = at ? found(at, until, TOTAL_OCTETS, &until) : NULL;
    if (at) answer.granted = (int64_t)((uint64_t)u32_at(at) << 32 | u32_at(at + 4));
    return answer;
}

static void diameter_greet(int fd) {
    static const uint8_t address[6] = {0, 1, 127, 0, 0, 1};
    uint8_t message[LONGEST], *at = octets(origin(message + DIAMETER_HEAD), 257, 0, address, sizeof address);
    at = text(unsigned32(at, 266, TGPP), 269, "load"); /* Vendor-Id, Product-Name */
    size_t size = headed(message, unsigned32(at, 258, 4), 0x80, CER, 0, 1);
    if (send(fd, message, size, MSG_NOSIGNAL) != (ssize_t)size) die("greet");
    if (recv(fd, message, HEAD, MSG_WAITALL) != HEAD || u24_at(message) > sizeof message) die("greet");
    size = u24_at(message) - HEAD;
    if (recv(fd, message + HEAD, size, MSG_WAITALL) != (ssize_t)size) die("greet");
    const uint8_t *until, *result = found(message + DIAMETER_HEAD, message + HEAD + size, RESULT_CODE, &until);
    if (!result || u32_at(result) != SUCCESS) die("the greeting is refused");
}

static const Protocol diameter = {"diameter", CCR_MOST, diameter_greet, diameter_request, diameter_size, diameter_answer};
