package tiny

// facts writes what a loader must know about the llama and its vocabulary.
func (f *file) facts(v *vocabulary) {
	f.fact("general.architecture", "llama")
	f.fact("general.name", "tiny")
	f.fact("general.file_type", uint32(0))
	f.fact("general.alignment", uint32(alignment))
	f.fact("llama.context_length", uint32(context))
	f.fact("llama.embedding_length", uint32(width))
	f.fact("llama.block_count", uint32(1))
	f.fact("llama.feed_forward_length", uint32(inner))
	f.fact("llama.attention.head_count", uint32(heads))
	f.fact("llama.attention.head_count_kv", uint32(heads))
	f.fact("llama.attention.layer_norm_rms_epsilon", float32(1e-6))
	f.fact("llama.rope.dimension_count", uint32(width/heads))
	f.fact("llama.rope.freq_base", float32(10000))
	f.fact("llama.vocab_size", uint32(len(v.tokens)))
	f.words(v.tokens)
	f.fact("tokenizer.ggml.bos_token_id", uint32(tokenBegin))
	f.fact("tokenizer.ggml.eos_token_id", uint32(tokenEnd))
	f.fact("tokenizer.ggml.unknown_token_id", uint32(tokenUnknown))
	f.fact("tokenizer.ggml.add_bos_token", true)
	f.fact("tokenizer.ggml.add_eos_token", false)
	f.fact("tokenizer.ggml.add_space_prefix", false)
}

// words writes the vocabulary in the form of a SentencePiece one.
func (f *file) words(tokens []token) {
	f.fact("tokenizer.ggml.model", "llama")
	f.array("tokenizer.ggml.tokens", typeString, len(tokens))
	for _, t := range tokens {
		f.text(t.text)
	}
	f.array("tokenizer.ggml.scores", typeF32, len(tokens))
	for _, t := range tokens {
		f.put(t.score)
	}
	f.array("tokenizer.ggml.token_type", typeI32, len(tokens))
	for _, t := range tokens {
		f.put(t.kind)
	}
}

// fact writes one key and its value, of one of the four types in use.
func (f *file) fact(key string, value any) {
	f.count++
	f.text(key)
	switch v := value.(type) {
	case uint32:
		f.put(uint32(typeU32), v)
	case float32:
		f.put(uint32(typeF32), v)
	case bool:
		f.put(uint32(typeBool), v)
	case string:
		f.put(uint32(typeString))
		f.text(v)
	}
}

// array writes the key and the head of an array of n elements.
func (f *file) array(key string, kind uint32, n int) {
	f.count++
	f.text(key)
	f.put(uint32(typeArray), kind, uint64(n))
}
