package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"strconv"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
)

// seenName is the file of the newest version of each name that was ever taken. It
// outlives `cache clear`: an old version must not be new again after it.
const seenName = "seen.json"

// seenFile is its form.
type seenFile struct {
	Version int               `json:"v"`
	Names   map[string]string `json:"names"`
}

// seenVersion is the form that this program writes. Before it there was one without a
// version, nothing but the names.
const seenVersion = 1

// seen reads it; one that is missing is empty. old is the text of one that has no version.
func (s *Store) seen() (names map[string]string, old []byte, err error) {
	file := s.path(seenName)
	body, err := readBounded(file)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil, nil
	}
	if err != nil {
		return nil, nil, &Unreadable{File: file, Cause: err}
	}
	if version, ok := versionOf(body); !ok {
		old = body
		err = json.Unmarshal(body, &names)
	} else if version > seenVersion {
		return nil, nil, &newer{file, strconv.Itoa(version), strconv.Itoa(seenVersion)}
	} else {
		var f seenFile
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		err = d.Decode(&f)
		if err == nil && d.More() {
			err = errors.New("more than one value")
		}
		names = f.Names
	}
	if err != nil {
		return nil, nil, &Unreadable{File: file, Cause: err}
	}
	if names == nil {
		names = map[string]string{}
	}
	return names, old, nil
}

// versionOf is the number "v" of a JSON object. A blueprint may have that name, and its
// version is no number.
func versionOf(body []byte) (version int, ok bool) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil || all["v"] == nil {
		return 0, false
	}
	err := json.Unmarshal(all["v"], &version)
	return version, err == nil
}

// remember enters a version, also one that is older than what was seen: who has
// asked for it means it. Of a file without a version a copy is kept.
func (s *Store) remember(ref blueprint.Ref) error {
	names, old, err := s.seen()
	if err != nil {
		return err
	}
	if names[ref.Name] == ref.Version {
		return nil
	}
	names[ref.Name] = ref.Version
	body, err := json.Marshal(seenFile{seenVersion, names})
	if err != nil {
		return err
	}
	if old != nil {
		if err := s.put(s.path(seenName+".v0"), old); err != nil {
			return err
		}
	}
	return s.put(s.path(seenName), append(body, '\n'))
}
