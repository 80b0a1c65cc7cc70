/* The frames of a shard's own front: see src/farwire/charging/shard/frames.py. Little-endian, as this machine is. */

enum { LENGTH = 4, ENVELOPE = 24, REQUEST = LENGTH + ENVELOPE + 48 + 24, SESSION = 1, VERSION = 1, DATA = 1 };

static void put(uint8_t *at, int64_t word) { memcpy(at, &word, 8); }

static int64_t word_at(const uint8_t *at) {
    int64_t word;
    memcpy(&word, at, 8);
    return word;
}

static size_t frames_request(uint8_t *frame, int index, const Slot *slot, int phase) {
    memset(frame, 0, REQUEST);
    uint32_t length = REQUEST - LENGTH;
    memcpy(frame, &length, LENGTH);
    uint8_t *body = frame + LENGTH;
    body[0] = SESSION;
    body[1] = VERSION;
    put(body + 8, index);
    put(body + 16, 1);
    body += ENVELOPE;
    put(body, slot->account);
    put(body + 8, (int64_t)run);
    put(body + 16, (int64_t)slot->id);
    put(body + 24, slot->number);
    body[40] = (uint8_t)phase;
    body[41] = DATA;
    body[42] = 1; /* rating groups */
    put(body + 48, 1);
    put(body + 56, slot->used);
    put(body + 64, phase == TERMINATION ? NOTHING : want.quota);
    return REQUEST;
}

static size_t frames_size(const uint8_t *at) {
    uint32_t length;
    memcpy(&length, at, LENGTH);
    return LENGTH + (size_t)length;
}

static Answer frames_answer(const uint8_t *frame, size_t size, int (*phase_of)(int64_t index)) {
    const uint8_t *body = frame + LENGTH;
    size_t length = size - LENGTH;
    if (length < ENVELOPE) die("an answer that is too short");
    Answer answer = {.index = word_at(body + 8)};
    int phase = phase_of(answer.index);
    uint16_t status;
    memcpy(&status, body + 2, 2);
    answer.result = status || length < ENVELOPE + 24 ? status : word_at(body + 24);
    if (answer.result == SUCCESS && phase != TERMINATION) {
        if (length < ENVELOPE + 24 + 56) die("an answer without its rating group");
        answer.result = word_at(body + 56);
        answer.granted = word_at(body + 72);
    }
    return answer;
}

static const Protocol frames = {"frames", REQUEST, NULL, frames_request, frames_size, frames_answer};
