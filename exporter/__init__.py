# SPDX-License-Identifier: MIT
"""What export.py is made of.

    errors              ExportError: a reason to refuse, in one line
    stored_tensor       a tensor in a file, of which rows are read when they are wanted
    safetensors_file    the tensors of a .safetensors file
    torch_file          the tensors of a file by torch.save(), without torch and without running it
    llama               a Llama model: its numbers, and its matrices put together from tensors
    meta                models in Meta's layout: params.json and consolidated.*.pth; llama2.c's .pt
    huggingface         models in the layout of Hugging Face transformers
    weight_files        which files of such a folder have the tensors
    text_tokens         the tokens that begin and end texts
    checkpoint          writes llama2.c's three checkpoint formats
    sentencepiece_file  what is in a SentencePiece model
    dictionary          SentencePiece models to llama2.c's tokenizer.bin
    gguf_model          a folder of Hugging Face's as the content of a GGUF file
    families            the families of models in GGUF files: a row for each
    family_keys         a model's numbers as a GGUF file has them
    family_tensors      a model's tensors as a GGUF file has them
    vocabulary          tokenizers as a GGUF file has them
    pretokenizers       the rules by which they split texts into words
    special_tokens      the tokens that begin and end texts, and chat templates
    gguf_types          the types of weights in GGUF files
    gguf_file           writes GGUF files
    pipeline            what export.py does with its arguments
    output              files that appear whole or not at all; progress

Nothing but numpy is needed.
"""
