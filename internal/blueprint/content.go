package blueprint

import "time"

// FileTime is when every file of a blueprint's content was last changed, as far
// as anybody can tell: the time that npm gives the files of its tarballs. With
// the day of publication there, two versions of the same files would differ.
var FileTime = time.Date(1985, time.October, 26, 8, 15, 0, 0, time.UTC)

// ContentDigest is of everything that decides what is unpacked beside the base,
// so that versions which differ in their settings, seeds or base alone share one
// tree; "" where there is nothing to unpack.
func (m Manifest) ContentDigest() Digest {
	if !m.HasContent() {
		return ""
	}
	decides := struct {
		Lock      Digest            `json:"lock,omitempty"`
		Moves     []Move            `json:"moves,omitempty"`
		Removals  []string          `json:"removals,omitempty"`
		Additions map[string]Digest `json:"additions,omitempty"` // by path
		Layers    []Digest          `json:"layers,omitempty"`
	}{Additions: map[string]Digest{}}
	if p := m.Packages; p != nil {
		decides.Lock, decides.Moves, decides.Removals = p.Lock.Digest, p.Moves, p.Removals
		for _, a := range p.Additions {
			decides.Additions[a.Path] = a.File.Digest
		}
	}
	for _, l := range m.Layers {
		decides.Layers = append(decides.Layers, l.Digest)
	}
	body, err := encode(decides)
	if err != nil {
		panic("bug: encode what content is: " + err.Error())
	}
	return Sum(body)
}
