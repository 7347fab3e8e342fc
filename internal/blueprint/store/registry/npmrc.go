package registry

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"sync"
)

// settings are npm's by their names; a list (ca[]) is joined with line ends.
type settings map[string]string

// parse reads one npmrc: lines of key = value, ; and # for comments, ${VAR}
// filled from the environment (npm's documentation, npmrc).
func parse(text string, env func(string) (string, bool)) settings {
	s := settings{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.ContainsAny(line[:1], ";#[") {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found {
			value = "true"
		}
		key, value = unquote(expand(strings.TrimSpace(key), env)), unquote(expand(strings.TrimSpace(value), env))
		name, list := strings.CutSuffix(key, "[]")
		if have, ok := s[name]; ok && list {
			value = have + "\n" + value
		}
		s[name] = value
	}
	return s
}

var variable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(\\*)\$\{([^${}]+)\}`) })

// expand fills ${VAR}; one that is not set stays, ${VAR?} becomes empty.
func expand(s string, env func(string) (string, bool)) string {
	return variable().ReplaceAllStringFunc(s, func(word string) string {
		part := variable().FindStringSubmatch(word)
		if len(part[1])%2 == 1 {
			return word // escaped by a backslash
		}
		name, optional := strings.CutSuffix(part[2], "?")
		value, ok := env(name)
		switch {
		case ok:
			return part[1] + value
		case optional:
			return part[1]
		}
		return word
	})
}

// unquote reads a value as npm's ini does: quoted, or up to a comment.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		var plain string
		if json.Unmarshal([]byte(s), &plain) == nil {
			return plain
		}
		return s
	}
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return s[1 : len(s)-1]
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`\;#`, s[i+1]) >= 0 {
			i++
			out.WriteByte(s[i])
			continue
		}
		if s[i] == ';' || s[i] == '#' {
			break
		}
		out.WriteByte(s[i])
	}
	return strings.TrimSpace(out.String())
}

// fromEnviron takes npm_config_NAME in either case. npm writes names in lower
// case with dashes, but leaves those of a registry (//HOST/…) alone.
func fromEnviron(environ []string) settings {
	s := settings{}
	const prefix = "npm_config_"
	for _, entry := range environ {
		key, value, _ := strings.Cut(entry, "=")
		if len(key) <= len(prefix) || !strings.EqualFold(key[:len(prefix)], prefix) || value == "" {
			continue
		}
		s[settingName(key[len(prefix):])] = value
	}
	return s
}

func settingName(name string) string {
	if strings.HasPrefix(name, "//") {
		return name
	}
	name = strings.ToLower(name)
	return name[:1] + strings.ReplaceAll(name[1:], "_", "-")
}

// readFile reads one npmrc; one that is not there has no settings.
func readFile(file string, env func(string) (string, bool)) settings {
	body, err := os.ReadFile(file)
	if err != nil {
		return settings{}
	}
	return parse(string(body), env)
}

// under fills what s does not set from the weaker settings.
func (s settings) under(weaker settings) settings {
	for key, value := range weaker {
		if _, ok := s[key]; !ok {
			s[key] = value
		}
	}
	return s
}
