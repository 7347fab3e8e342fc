package inference

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// What a provider would fetch for the agent (a picture by its address, a page, a
// tool on somebody's server) is a way out past the network wall: to any host, with
// anything in the address, and where the model server stands on this machine or
// its network, into that. The APIs say so in the few keys below.

// Keys are compared in small letters, without _ and -.
var (
	// fetchedKeys hold an address, or an object that has one as its url.
	fetchedKeys = []string{"imageurl", "fileurl", "videourl", "audiourl", "documenturl", "serverurl", "fileuri", "source", "mcpservers"}
	// mediaKeys hold what they are about, or an address of it.
	mediaKeys = []string{"image", "video", "audio"}
	// toolKeys hold what somebody made for a tool, or says of one. Nobody fetches it.
	toolKeys = []string{
		"arguments", "parameters", "inputschema", "inputexamples", "schema", "jsonschema", "metadata",
		"parametersjsonschema", "responseschema", "responsejsonschema", "args", "response",
	}
	// fetchingTools are the kinds of tools that open what they are told to.
	fetchingTools = []string{"mcp", "web_fetch", "url_context"}
)

// unfetched refuses a request that has its provider fetch something, unless the
// policy lets it.
func (x *exchange) unfetched() *refusal {
	if x.policy.Fetches() {
		return nil
	}
	what := fetched(x.body.raw)
	if what == "" {
		return nil
	}
	return refuse(http.StatusForbidden, "fetch_refused", "%s: the provider would fetch that, past the network policy", what).
		hinted("where every host may be reached that way: fetch: allow in inference.yaml; else send the data itself")
}

// fetched says what of a request, which is valid JSON, its provider would fetch; ""
// for nothing.
func fetched(raw []byte) string {
	w := wares{raw: raw}
	for w.at < len(raw) && w.found == "" {
		w.step()
	}
	return w.found
}

// wares is how far fetched has come.
type wares struct {
	raw   []byte
	at    int
	open  []ware
	found string
}

// ware is an object or a list that has not ended.
type ware struct {
	holder string // the key that it stands under
	key    string // the last of it; of a list, the holder
	said   string // the key as it was written
	list   bool
	wants  bool // a key comes next
	own    bool // it was made for a tool
}

func (w *wares) step() {
	switch c := w.raw[w.at]; c {
	case '"':
		w.text()
		return
	case '{', '[':
		w.begin(c == '[')
	case '}', ']':
		w.open = w.open[:len(w.open)-1]
	case ',':
		top := &w.open[len(w.open)-1]
		top.wants = !top.list
	}
	w.at++
}

func (w *wares) begin(list bool) {
	in := ware{list: list, wants: !list}
	if len(w.open) > 0 {
		top := w.open[len(w.open)-1]
		in.holder = top.key
		// The input of a request holds its items, and that of a tool's call whatever.
		in.own = top.own || slices.Contains(toolKeys, top.key) || top.key == "input" && len(w.open) > 1
	}
	if list && len(w.open) > 0 && !(in.holder == "input" && len(w.open) == 1) {
		in.key, in.said = in.holder, w.open[len(w.open)-1].said
	}
	w.open = append(w.open, in)
}

func (w *wares) text() {
	from := w.at
	for w.at++; w.raw[w.at] != '"'; w.at++ {
		if w.raw[w.at] == '\\' {
			w.at++
		}
	}
	w.at++
	if len(w.open) == 0 {
		return
	}
	top := &w.open[len(w.open)-1]
	said := w.raw[from:w.at]
	switch {
	case top.wants:
		key := unquoted(said)
		top.key, top.said, top.wants = keyForm(key), string(key), false
	case !top.own:
		w.judge(top, said)
	}
}

// judge looks at a text that is a value.
func (w *wares) judge(in *ware, quoted []byte) {
	isURL := in.key == "url" && slices.Contains(fetchedKeys, in.holder)
	switch {
	case isURL, slices.Contains(fetchedKeys, in.key) && in.key != "source" && in.key != "mcpservers":
		if said := unquoted(quoted); len(said) > 0 && !bytes.HasPrefix(said, []byte("data:")) {
			w.found = fmt.Sprintf("%.50q names an address (%.100q)", in.said, said)
		}
	case slices.Contains(mediaKeys, in.key):
		if said := unquoted(quoted); bytes.Contains(said, []byte("://")) && !bytes.HasPrefix(said, []byte("data:")) {
			w.found = fmt.Sprintf("%.50q names an address (%.100q)", in.said, said)
		}
	case in.key == "type" && in.holder == "tools":
		kind := string(unquoted(quoted))
		if slices.ContainsFunc(fetchingTools, func(t string) bool { return kind == t || strings.HasPrefix(kind, t+"_") }) {
			w.found = fmt.Sprintf("the tool %.50q opens addresses", kind)
		}
	}
}

// keyForm is a key without what readers differ about.
func keyForm(key []byte) string {
	form := string(folded(key))
	if strings.ContainsAny(form, "_-") {
		form = strings.NewReplacer("_", "", "-", "").Replace(form)
	}
	return form
}
