package blueprint

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"sync"
)

// Values fill the placeholders of a seed:
//
//	{{name}}           the sandbox's name
//	{{gateway_port}}   the port inside on which the agent's gateway listens
//	{{gateway_token}}  a random secret of this sandbox alone
//	{{model}}          the model that the agent asks for
//
// A placeholder stands within double quotes of JSON or YAML, where its value
// is escaped; a number may stand bare.
type Values struct {
	Name         string
	GatewayPort  uint16
	GatewayToken string
	Model        string
}

var placeholder = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{\{[^{}]*\}\}`) })

// Seed is the text of one seed, filled where it asks for it. An unknown
// placeholder is an error.
func (a Artifact) Seed(s Seed, v Values) ([]byte, error) {
	body := a.Bytes(s.File)
	if !s.Fill {
		return body, nil
	}
	known := map[string]string{
		"{{name}}":          v.Name,
		"{{gateway_port}}":  strconv.Itoa(int(v.GatewayPort)),
		"{{gateway_token}}": v.GatewayToken,
		"{{model}}":         v.Model,
	}
	var unknown string
	filled := placeholder().ReplaceAllFunc(body, func(word []byte) []byte {
		value, ok := known[string(word)]
		if !ok {
			unknown = string(word)
		}
		return escape(value)
	})
	if unknown != "" {
		return nil, fmt.Errorf("seed %s: unknown placeholder %s", s.Path, clip(unknown))
	}
	return filled, nil
}

// escape is s as it stands between double quotes.
func escape(s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic("bug: json.Marshal of a string: " + err.Error())
	}
	return quoted[1 : len(quoted)-1]
}
