package main

import (
	"bytes"
	"debug/elf"
	"debug/gosym"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// program is a linked program of 64 bits, little endian.
type program struct {
	file  []byte
	parts []elf.ProgHeader // what is loaded from the file
	names *gosym.Table
}

// reorder sorts the packages that the program in file initialises, in place, as
// they stand in order.
func reorder(file []byte, order []string) error {
	p, module, err := open(file)
	if err != nil {
		return err
	}
	rank := make(map[string]int, len(order))
	for i, name := range order {
		rank[name] = i
	}
	list, err := p.find(module)
	if err != nil {
		return err
	}
	tasks := make([]uint64, len(list)/word)
	for i := range tasks {
		tasks[i] = binary.LittleEndian.Uint64(list[i*word:])
		if name, _ := p.task(tasks[i]); !has(rank, name) {
			return fmt.Errorf("initialises %s, which go list does not name", name)
		}
	}
	slices.SortStableFunc(tasks, func(a, b uint64) int {
		one, _ := p.task(a)
		other, _ := p.task(b)
		return rank[one] - rank[other]
	})
	for i, at := range tasks {
		binary.LittleEndian.PutUint64(list[i*word:], at)
	}
	return nil
}

// word is the size of a pointer.
const word = 8

func has(m map[string]int, key string) bool { _, ok := m[key]; return ok }

// open reads a program, and what its runtime knows of itself (runtime.moduledata).
func open(file []byte) (p program, module []byte, err error) {
	f, err := elf.NewFile(bytes.NewReader(file))
	if err != nil {
		return p, nil, err
	}
	p.file = file
	for _, part := range f.Progs {
		if part.Type == elf.PT_LOAD {
			p.parts = append(p.parts, part.ProgHeader)
		}
	}
	text, lines, data := f.Section(".text"), f.Section(".gopclntab"), f.Section(".go.module")
	if text == nil || lines == nil || data == nil {
		return p, nil, errors.New("lacks .text, .gopclntab or .go.module")
	}
	table, err := lines.Data()
	if err == nil {
		p.names, err = gosym.NewTable(nil, gosym.NewLineTable(table, text.Addr))
	}
	if err == nil {
		module, err = data.Data()
	}
	return p, module, err
}

// find is the list in the file: the one slice of module whose elements all point
// to tasks.
func (p program) find(module []byte) (list []byte, err error) {
	for i := 0; i+3*word <= len(module); i += word {
		at, n, room := binary.LittleEndian.Uint64(module[i:]), binary.LittleEndian.Uint64(module[i+word:]), binary.LittleEndian.Uint64(module[i+2*word:])
		if n == 0 || n != room || n > uint64(len(p.file))/word {
			continue
		}
		found := p.at(at, n*word)
		if found == nil || !p.allTasks(found) {
			continue
		}
		if list != nil {
			return nil, errors.New("has two lists of packages to initialise")
		}
		list = found
	}
	if list == nil {
		return nil, errors.New("has no list of packages to initialise that this Go version's runtime would read")
	}
	return list, nil
}

func (p program) allTasks(list []byte) bool {
	for i := 0; i < len(list); i += word {
		if _, ok := p.task(binary.LittleEndian.Uint64(list[i:])); !ok {
			return false
		}
	}
	return true
}

// task is the package of a runtime.initTask: its state, the number of its
// functions, and where each of them is. All are called init, or init.N.
func (p program) task(at uint64) (name string, ok bool) {
	head := p.at(at, 2*word)
	if head == nil || binary.LittleEndian.Uint64(head)>>32 == 0 {
		return "", false
	}
	f := p.names.PCToFunc(binary.LittleEndian.Uint64(head[word:]))
	if f == nil {
		return "", false
	}
	slash := strings.LastIndexByte(f.Name, '/') + 1
	last, function, ok := strings.Cut(f.Name[slash:], ".")
	if !ok || function != "init" && !strings.HasPrefix(function, "init.") {
		return "", false
	}
	name, err := url.PathUnescape(f.Name[:slash] + last) // a dot in the last element is written %2e
	return name, err == nil
}

// at are n bytes of the file that are loaded at an address; nil where they are not.
func (p program) at(address, n uint64) []byte {
	for _, part := range p.parts {
		if from := address - part.Vaddr; address >= part.Vaddr && from <= part.Filesz && n <= part.Filesz-from {
			return p.file[part.Off+from:][:n]
		}
	}
	return nil
}
