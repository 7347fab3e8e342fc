package policy

import (
	"fmt"
	"strings"
)

// pathPattern is a path of a rule: "/repos/**". "*" stands for one segment, "**"
// for any number of them, none too; everything else is literal.
type pathPattern struct {
	text  string // canonical
	parts []patternPart
}

type patternPart struct {
	stars int // 1 or 2; 0: text
	text  string
}

func parsePathPattern(text string) (pathPattern, error) {
	if strings.ContainsAny(text, "?#") {
		return pathPattern{}, &BadPath{fmt.Sprintf("%q has a query; rules are about paths", text), "the path alone"}
	}
	plain := strings.ReplaceAll(text, "*", "x") // whatever stands for a star is no dot
	p, err := ParsePath(plain)
	if err != nil {
		return pathPattern{}, err
	}
	if p.loose != nil {
		return pathPattern{}, &BadPath{fmt.Sprintf("%q: servers do not agree on what an empty segment, a %%2F or a ; means", text), "a plain path"}
	}
	var out pathPattern
	for i, raw := range strings.Split(text[1:], "/") {
		part := patternPart{text: p.plain[i]}
		switch {
		case raw == "*" || raw == "**":
			part = patternPart{stars: len(raw)}
		case strings.Contains(raw, "*"):
			return pathPattern{}, &BadPath{fmt.Sprintf("%q has a star that is not a whole segment", text), "* for one segment, ** for any"}
		}
		out.parts = append(out.parts, part)
		out.text += "/" + part.String()
	}
	return out, nil
}

func (s patternPart) String() string {
	if s.stars > 0 {
		return strings.Repeat("*", s.stars)
	}
	var b strings.Builder
	encodePart(&b, s.text)
	return strings.ReplaceAll(b.String(), "*", "%2A") // written so, it is no star
}

// matches holds in each reading of the path.
func (p pathPattern) matches(path Path) bool {
	return len(path.plain) > 0 && p.fits(path.plain) && (path.loose == nil || p.fits(path.loose))
}

// fits looks back to the last "**" alone: an earlier one cannot do better.
func (p pathPattern) fits(path []string) bool {
	at, i := 0, 0
	back, from := -1, 0
	for i < len(path) {
		switch {
		case at < len(p.parts) && p.parts[at].stars == 2:
			back, from = at, i
			at++
		case at < len(p.parts) && p.parts[at].takes(path[i]):
			at++
			i++
		case back >= 0:
			from++
			at, i = back+1, from
		default:
			return false
		}
	}
	for at < len(p.parts) && p.parts[at].stars == 2 {
		at++
	}
	return at == len(p.parts)
}

func (s patternPart) takes(segment string) bool {
	return s.stars == 1 && segment != "" || s.stars == 0 && s.text == segment
}
