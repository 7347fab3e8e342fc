package policy

import (
	"fmt"
	"strings"
)

// BadNarrowing is a method, a path or a credential that no rule can have.
type BadNarrowing struct{ Why, Want string }

func (e *BadNarrowing) Error() string { return "narrow rule: " + e.Why }

// Hint says what a rule can have instead.
func (e *BadNarrowing) Hint() string { return e.Want }

// Narrow makes the entry one for certain requests: any of the methods (none: GET
// and HEAD) with any of the paths (none: every path). The credential is the name
// of a stored secret, or NAME:FORM; "" is none. It is read by the reader of the
// file, so that nothing can be added that the file could not say.
func (e *Entry) Narrow(methods, paths []string, credential string) error {
	if len(methods) == 0 {
		methods = []string{"GET", "HEAD"}
	}
	if len(paths) == 0 {
		paths = []string{"/**"}
	}
	text := fmt.Sprintf("{host: %s, port: 443, http: [{methods: %s, paths: %s}]", quoteYAML(e.Host), flow(methods, quoteYAML), flow(paths, quoteYAML))
	if name, form, found := strings.Cut(credential, ":"); found {
		text += fmt.Sprintf(", credential: {secret: %s, as: %s}", quoteYAML(name), quoteYAML(form))
	} else if credential != "" {
		text += ", credential: " + quoteYAML(credential)
	}
	p, err := Parse("", []byte("egress: ["+text+"}]\n"))
	if bad, ok := err.(*Invalid); ok {
		return &BadNarrowing{bad.Problems[0].Message, bad.Problems[0].Want}
	}
	if err != nil {
		return err
	}
	e.http, e.cred = p.egress[0].http, p.egress[0].cred
	return nil
}
