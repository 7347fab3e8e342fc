package export

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/audit"
)

// attribute is a KeyValue of opentelemetry/proto/common/v1.
type attribute struct {
	Key   string `json:"key"`
	Value value  `json:"value"`
}

// value is an AnyValue; 64-bit integers are strings in the JSON form.
type value struct {
	String *string `json:"stringValue,omitempty"`
	Int    *string `json:"intValue,omitempty"`
}

func str(key, s string) attribute { return attribute{key, value{String: &s}} }

func num(key string, n int64) attribute {
	s := strconv.FormatInt(n, 10)
	return attribute{key, value{Int: &s}}
}

// record is a LogRecord of opentelemetry/proto/logs/v1.
type record struct {
	Time       string      `json:"timeUnixNano"`
	Observed   string      `json:"observedTimeUnixNano"`
	Severity   int         `json:"severityNumber"`
	Text       string      `json:"severityText"`
	Body       value       `json:"body"`
	Attributes []attribute `json:"attributes"`
	EventName  string      `json:"eventName"`
}

type scopeLogs struct {
	Scope   map[string]string `json:"scope"`
	Records []record          `json:"logRecords"`
}

type resourceLogs struct {
	Resource struct {
		Attributes []attribute `json:"attributes"`
	} `json:"resource"`
	Scopes []scopeLogs `json:"scopeLogs"`
}

// Logs is an ExportLogsServiceRequest.
type Logs struct {
	Resources []resourceLogs `json:"resourceLogs"`
}

// Severity numbers of opentelemetry/proto/logs/v1.
const (
	info  = 9
	warn  = 13
	fatal = 21
)

// OTLP is a batch of events as one request.
func OTLP(events []audit.Event, f From) Logs {
	var r resourceLogs
	r.Resource.Attributes = []attribute{
		str("service.name", "nemoclaw"), str("service.version", f.Version), str("service.instance.id", f.Sandbox),
	}
	s := scopeLogs{Scope: map[string]string{"name": "nemoclaw.audit", "version": f.Version}, Records: []record{}}
	for _, e := range events {
		s.Records = append(s.Records, one(e, f))
	}
	r.Scopes = []scopeLogs{s}
	return Logs{[]resourceLogs{r}}
}

func one(e audit.Event, f From) record {
	at := strconv.FormatInt(e.Time.UnixNano(), 10)
	r := record{Time: at, Observed: at, Severity: info, Text: "INFO", EventName: "nemoclaw." + string(e.Kind)}
	switch severity(e) {
	case medium:
		r.Severity, r.Text = warn, "WARN"
	case critical:
		r.Severity, r.Text = fatal, "FATAL"
	}
	body := string(e.Kind)
	for _, part := range []string{e.Verdict, e.Target, e.Why} {
		if part != "" {
			body += " " + part
		}
	}
	r.Body = value{String: &body}
	r.Attributes = []attribute{num("nemoclaw.seq", int64(e.Seq)), str("nemoclaw.hash", e.Hash)}
	for _, a := range []struct{ key, text string }{
		{"nemoclaw.wall", e.Wall}, {"nemoclaw.verdict", e.Verdict}, {"nemoclaw.target", e.Target}, {"nemoclaw.rule", e.Rule},
		{"process.executable.path", e.Program}, {"enduser.id", e.By}, {"nemoclaw.id", e.ID},
	} {
		if a.text != "" {
			r.Attributes = append(r.Attributes, str(a.key, a.text))
		}
	}
	if e.PID > 0 {
		r.Attributes = append(r.Attributes, num("process.pid", int64(e.PID)))
	}
	if e.Count > 1 {
		r.Attributes = append(r.Attributes, num("nemoclaw.count", int64(e.Count)))
	}
	return r.withCall(e.Call, f)
}

// withCall adds a model call in the words of OpenTelemetry's conventions for
// generative AI.
func (r record) withCall(c *audit.Call, f From) record {
	if c == nil {
		return r
	}
	r.Attributes = append(r.Attributes,
		str("gen_ai.request.model", c.Asked), str("gen_ai.response.model", c.Given),
		num("gen_ai.usage.input_tokens", int64(c.TokensIn)), num("gen_ai.usage.output_tokens", int64(c.TokensOut)),
		num("http.response.status_code", int64(c.Status)))
	if f.Content {
		r.Attributes = append(r.Attributes, str("gen_ai.input.messages", c.Prompt), str("gen_ai.output.messages", c.Answer))
	}
	return r
}

// Sender posts batches to a collector (OTLP/HTTP, JSON).
type Sender struct {
	URL           string // …/v1/logs
	Authorization string // "" for none
	From          From

	client http.Client
	batch  []audit.Event
	Sent   int // events that the collector took
}

// perRequest is how many events one request has at most.
const perRequest = 512

// patience bounds one request.
const patience = 30 * time.Second

// NewSender is a Sender that follows no redirect: what it carries is for the
// one that the operator named.
func NewSender(url, authorization string, f From) *Sender {
	return &Sender{URL: url, Authorization: authorization, From: f, client: http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Add sends e with others, when there are enough.
func (s *Sender) Add(ctx context.Context, e audit.Event) error {
	s.batch = append(s.batch, e)
	if len(s.batch) < perRequest {
		return nil
	}
	return s.Flush(ctx)
}

// Flush sends what is left.
func (s *Sender) Flush(ctx context.Context) error {
	if len(s.batch) == 0 {
		return nil
	}
	body, err := json.Marshal(OTLP(s.batch, s.From))
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("export to %s: %w", s.URL, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if s.Authorization != "" {
		req.Header.Set("Authorization", s.Authorization)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("export to %s: %w", s.URL, errors.Unwrap(err))
	}
	defer res.Body.Close()
	return s.took(res)
}

// took reads the collector's answer: a 200 may still say that some were refused.
func (s *Sender) took(res *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("export to %s: read answer: %w", s.URL, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("export to %s: %s", s.URL, res.Status)
	}
	var answer struct {
		Partial struct {
			Rejected json.Number `json:"rejectedLogRecords"`
			Error    string      `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if len(bytes.TrimSpace(text)) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			return fmt.Errorf("export to %s: the answer is not OTLP: %w", s.URL, err)
		}
	}
	if n, _ := answer.Partial.Rejected.Int64(); n > 0 {
		return fmt.Errorf("export to %s: %d of %d events were refused: %s", s.URL, n, len(s.batch), answer.Partial.Error)
	}
	s.Sent += len(s.batch)
	s.batch = s.batch[:0]
	return nil
}
