# SPDX-License-Identifier: MIT
"""GGUF models that generate a given text, to test programs without a real model.

Each token of an answer has a unit vector of its own as its embedding. The layers add nothing, and the
classifier's row of the next token has a 1 for this vector, so the tokens form a chain. If an answer
has a second part, attention adds a vector once the first part has ended, and this makes the tokens of
the second part likelier.
"""
import struct

TEXT, ARRAY, UINT, INT, FLOAT, BOOL = 8, 9, 4, 5, 6, 7  # types of GGUF values
UNKNOWN, CONTROL, NORMAL, BYTE = 2, 3, 1, 6             # of tokens
BOS, EOS = 1, 2
ALIGNMENT = 32

# Writes the messages, and the mark after which the model answers; with the argument `silent`, the mark
# of an empty answer.
TEMPLATE = ("{% for m in messages %}{% if m.role == 'assistant' %}<|answer|>{{ m.content }}"
            "{% else %}[{{ m.role }}]{{ m.content }}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}{% if silent %}<|silent|>{% else %}<|answer|>"
            "{% endif %}{% endif %}")


def text_bytes(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key, kind, value):
    """Returns the bytes of a key and its value. The value of an array is (type of elements, list)."""
    formats = {UINT: "<I", INT: "<i", FLOAT: "<f", BOOL: "<?"}

    def one(kind, value):
        return text_bytes(value) if kind == TEXT else struct.pack(formats[kind], value)

    if kind != ARRAY:
        return text_bytes(key) + struct.pack("<I", kind) + one(kind, value)
    element, values = value
    return (text_bytes(key) + struct.pack("<IIQ", ARRAY, element, len(values))
            + b"".join(one(element, v) for v in values))


def write(path, answer, *, then=(), endless=False, template=TEMPLATE, mark="<|answer|>", context=512, hidden=8, layers=1,
          metadata=()):
    """Writes a model that answers with the pieces of `answer`, then those of `then`. Neither may
    contain a piece twice.

    An answer begins after the control token `mark`. Pieces such as <|end|> are control tokens.
    `endless`: the first piece follows the last one. A model with large numbers for `hidden` and
    `layers` is slow; the file has holes in place of the weights. `metadata`: further (key, type,
    value).
    """
    assert len(set(answer)) == len(answer) and len(set(then)) == len(then)
    assert not (then and endless)
    tokens = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
    tokens += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    begin = len(tokens)
    tokens += [(mark, CONTROL), ("<|silent|>", CONTROL)]
    first = len(tokens)
    pieces = list(dict.fromkeys(piece.replace(" ", "\u2581") for piece in (*answer, *then)))
    tokens += [(piece, CONTROL if piece.startswith("<|") else NORMAL) for piece in pieces]
    if "<|end|>" in pieces:  # ends a message but no answer, if the vocabulary has these
        tokens += [("<|return|>", CONTROL), ("<|call|>", CONTROL)]
    # With the beginnings of each piece, merges encode a text as these pieces.
    begun = {piece[:n] for piece in pieces for n in range(1, len(piece))} - set(pieces)
    tokens += [(piece, NORMAL) for piece in sorted(begun)]

    def ids(texts):
        return [first + pieces.index(text.replace(" ", "\u2581")) for text in texts]

    chain = [begin, *ids(answer)]
    follows = [*zip(chain, chain[1:]), (begin + 1, EOS)]
    second = [*zip([chain[-1], *ids(then)], [*ids(then), EOS])] if then else []
    if not then:
        follows.append((chain[-1], first if endless else EOS))
    axes = {token: axis for axis, token in
            enumerate(dict.fromkeys(token for token, _ in [*follows, *second]))}
    ended = len(axes)  # the axis that shows that the first part has ended
    dim = (len(axes) + 32) // 32 * 32
    embedding = bytearray(4 * dim * len(tokens))
    classifier = bytearray(4 * dim * len(tokens))
    for token, axis in axes.items():
        struct.pack_into("<f", embedding, 4 * (dim * token + axis), 1)
    for pairs, weight in ((follows, 10), (second, 9)):
        for token, following in pairs:
            struct.pack_into("<f", classifier, 4 * (dim * following + axes[token]), weight)
    for following in {following for _, following in second}:
        struct.pack_into("<f", classifier, 4 * (dim * following + ended), 1000)

    pairs = [("general.architecture", TEXT, "llama"), ("general.name", TEXT, "scripted"),
             ("llama.context_length", UINT, context), ("llama.embedding_length", UINT, dim),
             ("llama.block_count", UINT, layers), ("llama.feed_forward_length", UINT, hidden),
             ("llama.attention.head_count", UINT, 1),
             ("llama.attention.layer_norm_rms_epsilon", FLOAT, 1e-5),
             ("tokenizer.ggml.model", TEXT, "llama"),
             ("tokenizer.ggml.tokens", ARRAY, (TEXT, [text for text, _ in tokens])),
             ("tokenizer.ggml.scores", ARRAY, (FLOAT, [0.0] * len(tokens))),
             ("tokenizer.ggml.token_type", ARRAY, (INT, [kind for _, kind in tokens])),
             ("tokenizer.ggml.bos_token_id", UINT, BOS),
             ("tokenizer.ggml.eos_token_id", UINT, EOS),
             ("tokenizer.ggml.unknown_token_id", UINT, 0),
             ("tokenizer.ggml.add_space_prefix", BOOL, False), *metadata]
    if template is not None:
        pairs.append(("tokenizer.chat_template", TEXT, template))

    ones = struct.pack("<f", 1) * dim
    tensors = [("token_embd.weight", (dim, len(tokens)), bytes(embedding)),
               ("output_norm.weight", (dim,), ones),
               ("output.weight", (dim, len(tokens)), bytes(classifier))]
    matrices = {}
    if then:  # attention to all positions alike finds the end of the first part
        value, output = bytearray(4 * dim * dim), bytearray(4 * dim * dim)
        struct.pack_into("<f", value, 4 * (dim * ended + axes[chain[-1]]), 1)
        struct.pack_into("<f", output, 4 * (dim * ended + ended), 1)
        matrices = {"blk.0.attn_v": bytes(value), "blk.0.attn_output": bytes(output)}
    for layer in range(layers):
        tensors += [(f"blk.{layer}.{name}.weight", (dim,), ones) for name in ("attn_norm", "ffn_norm")]
        tensors += [(f"blk.{layer}.{name}.weight", shape, matrices.get(f"blk.{layer}.{name}"))
                    for name, shape in
                    (("attn_q", (dim, dim)), ("attn_k", (dim, dim)), ("attn_v", (dim, dim)),
                     ("attn_output", (dim, dim)), ("ffn_gate", (dim, hidden)),
                     ("ffn_up", (dim, hidden)), ("ffn_down", (hidden, dim)))]
    write_file(path, pairs, tensors)


def write_file(path, pairs, tensors):
    """tensors: (name, shape, the bytes of its floats or None for zeros)."""
    def aligned(number):
        return (number + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT

    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    header += b"".join(pair(*entry) for entry in pairs)
    offset, places = 0, []
    for name, shape, _ in tensors:
        count = 1
        for extent in shape:
            count *= extent
        header += text_bytes(name) + struct.pack("<I", len(shape))
        header += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", 0, offset)
        places.append(offset)
        offset += aligned(4 * count)
    begin = aligned(len(header))
    with open(path, "wb") as file:
        file.write(header)
        for place, (_, _, data) in zip(places, tensors):
            if data is not None:
                file.seek(begin + place)
                file.write(data)
        file.truncate(begin + offset)
