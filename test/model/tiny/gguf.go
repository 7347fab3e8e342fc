package tiny

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// The shape of the llama. A width of 256 gives 512 codes that do not disturb
// each other: 256 orthogonal ones and their opposites.
const (
	width     = 256
	heads     = 4
	inner     = 32 // of the feed-forward
	context   = 131072
	maxTokens = 2 * width
	alignment = 32
	logit     = 40 // of the right next token; all others have 0 or less
)

// The value types of GGUF, from ggml's docs/gguf.md.
const (
	typeU32    = 4
	typeI32    = 5
	typeF32    = 6
	typeBool   = 7
	typeString = 8
	typeArray  = 9
)

// code is the embedding of a token: a row of the Hadamard matrix, or its
// opposite for the upper half. Its entries are ±1, so the model's norm leaves
// it as it is.
func code(id int) []float32 {
	row := make([]float32, width)
	for k := range row {
		row[k] = 1
		if (bits.OnesCount(uint(id%width&k))+id/width)%2 == 1 {
			row[k] = -1
		}
	}
	return row
}

type tensor struct {
	name  string
	shape []uint64 // innermost first
	data  []float32
}

// tensors are the embedding, one layer that adds nothing, and the table of
// followers as the output.
func (v *vocabulary) tensors() []tensor {
	n := len(v.tokens)
	embedding := make([]float32, 0, n*width)
	for id := range n {
		embedding = append(embedding, code(id)...)
	}
	output := make([]float32, n*width)
	for id, follower := range v.next {
		for k, c := range code(id) {
			output[follower*width+k] += c * logit / width
		}
	}
	square, up := []uint64{width, width}, []uint64{width, inner}
	return []tensor{
		{"token_embd.weight", []uint64{width, uint64(n)}, embedding},
		{"output_norm.weight", []uint64{width}, ones()},
		{"output.weight", []uint64{width, uint64(n)}, output},
		{"blk.0.attn_norm.weight", []uint64{width}, ones()},
		{"blk.0.attn_q.weight", square, make([]float32, width*width)},
		{"blk.0.attn_k.weight", square, make([]float32, width*width)},
		{"blk.0.attn_v.weight", square, make([]float32, width*width)},
		{"blk.0.attn_output.weight", square, make([]float32, width*width)},
		{"blk.0.ffn_norm.weight", []uint64{width}, ones()},
		{"blk.0.ffn_gate.weight", up, make([]float32, width*inner)},
		{"blk.0.ffn_up.weight", up, make([]float32, width*inner)},
		{"blk.0.ffn_down.weight", []uint64{inner, width}, make([]float32, width*inner)},
	}
}

func ones() []float32 {
	row := make([]float32, width)
	for k := range row {
		row[k] = 1
	}
	return row
}

// write puts the file together: header, facts, list of tensors, tensors.
func (v *vocabulary) write(w io.Writer) error {
	tensors := v.tensors()
	var f file
	f.facts(v)
	facts, count := f.Bytes(), f.count

	var head file
	head.WriteString("GGUF")
	head.put(uint32(3), uint64(len(tensors)), uint64(count))
	head.Write(facts)
	offset := uint64(0)
	for _, t := range tensors {
		head.text(t.name)
		head.put(uint32(len(t.shape)), t.shape, uint32(0), offset) // 0: f32
		offset += aligned(uint64(len(t.data)) * 4)
	}
	head.align()
	if _, err := w.Write(head.Bytes()); err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	for _, t := range tensors {
		var data file
		data.put(t.data)
		data.align()
		if _, err := w.Write(data.Bytes()); err != nil {
			return fmt.Errorf("write model: %w", err)
		}
	}
	return nil
}

func aligned(n uint64) uint64 { return (n + alignment - 1) / alignment * alignment }

// file is the growing bytes of a GGUF file, little-endian.
type file struct {
	bytes.Buffer
	count int // of the facts
}

func (f *file) put(values ...any) {
	for _, v := range values {
		_ = binary.Write(f, binary.LittleEndian, v) // a bytes.Buffer takes all
	}
}

func (f *file) text(s string) {
	f.put(uint64(len(s)))
	f.WriteString(s)
}

func (f *file) align() { f.Write(make([]byte, aligned(uint64(f.Len()))-uint64(f.Len()))) }
