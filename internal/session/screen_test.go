package session

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// filtered is in after a Screen, written in parts that end at each of cuts.
func filtered(in []byte, cuts ...int) string {
	var out bytes.Buffer
	s := NewScreen(&out)
	from := 0
	for _, cut := range append(cuts, len(in)) {
		_, _ = s.Write(in[from:cut]) // a Buffer takes everything
		from = cut
	}
	return out.String()
}

func TestScreenPassesWhatShows(t *testing.T) {
	for name, in := range map[string]string{
		"text":             "plain \t text\r\n\a\b with bells, é, 世界, 🦀\u00a0\n",
		"colours":          "\x1b[m\x1b[1;31m\x1b[38;5;208m\x1b[38;2;1;2;3m\x1b[38:2::1:2:3m\x1b[4:3m",
		"cursor":           "\x1b[H\x1b[2J\x1b[10;20H\x1b[3A\x1b[K\x1b[1;24r\x1b[5@\x1b[2P\x1b7\x1b8\x1b[s\x1b[u\x1b[2 q",
		"full screen":      "\x1b[?1049h\x1b[?25l\x1b[?1h\x1b=\x1b[?2004h\x1b[?1000;1006h\x1b[?1049l\x1b[!p\x1bc",
		"synchronised":     "\x1b[?2026h\x1b[?2026l",
		"character sets":   "\x1b(0lqqk\x1b(B\x0e\x0f",
		"test pattern":     "\x1b#8",
		"title":            "\x1b]0;vim – file.go\a",
		"key reports":      "\x1b[>4;2m",
		"selective erase":  "\x1b[?2J",
		"insert, new line": "\x1b[4h\x1b[4l\x1b[20h",
	} {
		if got := filtered([]byte(in)); got != in {
			t.Errorf("%s: %q became %q", name, in, got)
		}
	}
}

func TestScreenDropsWhatActs(t *testing.T) {
	for name, row := range map[string][2]string{ // what is written, what is left
		"clipboard write":             {"a\x1b]52;c;aGVsbG8=\ab", "ab"},
		"clipboard write, ST":         {"a\x1b]52;c;aGVsbG8=\x1b\\b", "ab"},
		"clipboard read":              {"\x1b]52;c;?\a", ""},
		"clipboard, C1":               {"\u009d52;c;aGk=\u009c", "52;c;aGk="},
		"clipboard, raw C1":           {"\x9d52;c;aGk=\x9c", "\ufffd52;c;aGk=\ufffd"},
		"kitty clipboard":             {"\x1b]5522;type=write\a", ""},
		"colour query":                {"\x1b]11;?\a\x1b]4;1;?\x1b\\", ""},
		"hyperlink":                   {"\x1b]8;;file:///etc/passwd\atext\x1b]8;;\a", "text"},
		"notification":                {"\x1b]9;x\a\x1b]777;notify;a;b\a\x1b]99;;x\a", ""},
		"file transfer":               {"\x1b]1337;File=name=x:AAAA\a", ""},
		"working folder":              {"\x1b]7;file://host/x\a", ""},
		"cursor report":               {"\x1b[6n\x1b[?6n\x1b[5n", ""},
		"device attributes":           {"\x1b[c\x1b[>c\x1b[=c\x1b[0c\x1bZ", ""},
		"version":                     {"\x1b[>q\x1b[>0q", ""},
		"window reports":              {"\x1b[21t\x1b[14t\x1b[18t\x1b[8;24;80t\x1b[22;0t", ""},
		"mode reports":                {"\x1b[?2004$p\x1b[4$p", ""},
		"terminal parameters":         {"\x1b[x\x1b[1x", ""},
		"checksum of the screen":      {"\x1b[1;1;1;1;24;80*y", ""},
		"colours report":              {"\x1b[#{\x1b[#|", ""},
		"key reports query":           {"\x1b[?u\x1b[?4m\x1b[>1u", ""},
		"status string":               {"\x1bP$qm\x1b\\x", "x"},
		"termcap query":               {"\x1bP+q544e\x1b\\x", "x"},
		"macro":                       {"\x1bP1;0;1!z6c73\x1b\\\x1b[1*z", ""},
		"tmux passthrough":            {"\x1bPtmux;\x1b\x1b]52;c;aGk=\a\x1b\\", ""},
		"application, privacy, start": {"\x1b_Gx\x1b\\\x1b^x\x1b\\\x1bXx\x1b\\.", "."},
		"answer back":                 {"\x05", ""},
		"printer":                     {"\x1b[5i\x1b[?5i\x1b[i", ""},
		"locked keyboard":             {"\x1b[2h\x1b[12l", ""},
		"reports by itself":           {"\x1b[?2048h\x1b[?2031h\x1b[?1000;2048h\x1b[?h", ""},
		"8 bit answers":               {"\x1b G\x1b%@", ""},
		"endless repeat":              {"a\x1b[999999999b", "a"},
		"hidden in another":           {"\x1b[1\x1b]52;c;aGk=\a", ""},
		"cancelled":                   {"\x1b]52;c;aGk=\x18x\x1b[\x1ay", "xy"},
		"control within":              {"\x1b[3\x051\x7fm", "\x1b[31m"},
		"title with sequences":        {"\x1b]2;a\x01b\u009bc\xffd\x1b\\", "\x1b]2;abcd\a"},
		"title of the shell's":        {"\x1b]2;x\x1b]52;c;aGk=\a", ""},
		"long title":                  {"\x1b]2;" + strings.Repeat("x", 2000) + "\a.", "."},
		"long sequence":               {"\x1b[" + strings.Repeat("1;", 100) + "m.", "."},
		"screen's title":              {"\x1bkname\x1b\\.", "."},
		"no UTF-8":                    {"a\xff\xc3(\xe4\xb8b\xc0\x80", "a\ufffd\ufffd(\ufffdb\ufffd\ufffd"},
		"other controls":              {"\x00\x01\x02\x11\x13\x1c\x7f", ""},
		"unfinished":                  {"a\x1b[3", "a"},
	} {
		if got := filtered([]byte(row[0])); got != row[1] {
			t.Errorf("%s: %q became %q, want %q", name, row[0], got, row[1])
		}
	}
}

func TestAnEndlessStringIsGivenUp(t *testing.T) {
	in := append([]byte("\x1b]52;c;"), bytes.Repeat([]byte("A"), maxString+10)...)
	if got := filtered(append(in, "shown"...)); !strings.HasSuffix(got, "shown") || len(got) > 100 {
		t.Errorf("%d bytes, ending in %q", len(got), got[max(0, len(got)-20):])
	}
}

func TestScreenLeavesTheTerminalAsItWas(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b[?1049h\x1b[?25l\x1b[?1002;1006h\x1b[>4;2m": "\x1b[?25h\x1b[?1002l\x1b[?1006l\x1b[?1049l\x1b[>4m\x1b[0m",
		"\x1b[?1049h\x1b[?1049l\x1b[?25l\x1b[?25h":       "",
		"text":       "",
		"\x1b[?7l":   "\x1b[?7h\x1b[0m",
		"\x1b[?999h": "",
	} {
		var out bytes.Buffer
		s := NewScreen(&out)
		_, _ = s.Write([]byte(in))
		out.Reset()
		if err := s.Close(); err != nil || out.String() != want {
			t.Errorf("after %q: %q, %v, want %q", in, out.String(), err, want)
		}
	}
}

// harmless is written from the standards and not from the code: the only forms
// that may reach a terminal.
var harmless = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`[\x07-\x0f\x20-\x7e]|[^\x00-\x9f]`,                                      // text and movement
	`\x1b[78=>DEHMNOcno|}~]`,                                                 // fixed escapes
	`\x1b[()*+][\x30-\x7e]|\x1b#[3-68]`,                                      // character sets, line sizes
	`\x1b\[[0-9;:]*[@A-MPSXZa-b` + "`" + `defgmrsu]|\x1b\[[0-9:]*T`,          // editing and colours, no c, n, q, t, x, i, y
	`\x1b\[0*(?:4|20)(?:;0*(?:4|20))*[hl]|\x1b\[[0-9;:]* q|\x1b\[[0-9;:]*!p`, // modes, cursor style, soft reset
	`\x1b\[\?[0-9;]+[hl]|\x1b\[\?[0-9;:]*[JK]|\x1b\[>[0-9;:]*m`,
	`\x1b\][012];[^\x00-\x1f\x7f-\x9f]*\x07`, // titles
}, "|") + `)*$`)

func checkLaws(t *testing.T, in []byte, cut int) {
	got := filtered(in)
	if !utf8.ValidString(got) || !harmless.MatchString(got) {
		t.Errorf("%q became %q", in, got)
	}
	if again := filtered([]byte(got)); again != got {
		t.Errorf("filtered twice, %q became %q and then %q", in, got, again)
	}
	if len(in) > 0 {
		at := int(uint(cut) % uint(len(in)))
		if parts := filtered(in, at); parts != got {
			t.Errorf("cut at %d, %q became %q and not %q", at, in, parts, got)
		}
	}
}

func TestScreenLaws(t *testing.T) {
	for _, in := range []string{
		"", "\x1b", "\x1b[", "\x1b]2;\xe4\xb8", "\x1b]52;c;aGk=\a\x1b[6n\x05\x9b6n\u009b6n", "\x1b[38;2;1;2;3mx\x1b[0m",
		"\x1b]2;a\x1b\x1b]2;b\a", "\x1b(\x1b(B", "\xc2\x9b6n", "\xc2\x1b[6n", "\x1b[\xc2\x9b6n", "\x1b]0;\xc2\x9c\x9c\a",
	} {
		for cut := range max(1, len(in)) {
			checkLaws(t, []byte(in), cut)
		}
	}
}

func FuzzScreen(f *testing.F) {
	for _, in := range []string{"\x1b]52;c;aGk=\a", "\x1b[6n", "\x1b[?1049h\x1b[31mé\x9b6n", "\x1bP+q\x1b\\", "\x1b]0;t\x1b\\", "\xe4\xb8\x1b[c"} {
		f.Add([]byte(in), 1)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) { checkLaws(t, in, cut) })
}

func BenchmarkScreen(b *testing.B) {
	var page bytes.Buffer
	for range 200 {
		page.WriteString("\x1b[32mdrwxr-xr-x\x1b[0m 2 sandbox sandbox 4096 Nov 23 18:30 ordinary text, as ls writes it – é\r\n")
	}
	var sink bytes.Buffer
	s := NewScreen(&sink)
	b.SetBytes(int64(page.Len()))
	for b.Loop() {
		sink.Reset()
		_, _ = s.Write(page.Bytes())
	}
}
