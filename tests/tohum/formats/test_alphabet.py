from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tohum.formats.alphabet import alphabet_order, byte_characters


def test_every_byte_has_a_character_of_its_own() -> None:
    assert len(set(byte_characters())) == 256


def test_characters_are_those_of_tokenizers() -> None:
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    characters = byte_characters()
    assert set(characters) == set(pre_tokenizers.ByteLevel.alphabet())
    for code in (*range(0x800), 0x4E2D, 0x1F600, 0xFFFD):
        text = chr(code)
        written = "".join(characters[byte] for byte in text.encode())
        assert byte_level.pre_tokenize_str(text)[0][0] == written


def test_order_is_that_of_a_vocabulary_which_tokenizers_trains() -> None:
    tokenizer = Tokenizer(models.BPE())
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["a"], trainer)
    characters = byte_characters()
    assert [tokenizer.id_to_token(id) for id in range(256)] == [
        characters[byte] for byte in alphabet_order()
    ]
