package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/nemoclaw/nemoclaw/internal/control/hail"
)

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		reply(w, a.sandbox.Status(r.Context()), nil)
	})
	mux.HandleFunc("GET /v1/approvals", func(w http.ResponseWriter, r *http.Request) {
		list, err := a.sandbox.Approvals(r.Context())
		if list == nil {
			list = []Approval{} // an empty list is [], not null
		}
		reply(w, list, err)
	})
	mux.HandleFunc("POST /v1/approvals/{id}", a.answer)
	mux.HandleFunc("POST /v1/reload/policy", act(a.sandbox.ReloadPolicy))
	mux.HandleFunc("POST /v1/reload/inference", act(a.sandbox.ReloadInference))
	mux.HandleFunc("GET /v1/inference", act(a.sandbox.Inference))
	mux.HandleFunc("POST /v1/verify", act(a.sandbox.Verify))
	mux.HandleFunc("POST /v1/stop", act(func(ctx context.Context) (struct{}, error) {
		return struct{}{}, a.sandbox.Stop(ctx)
	}))
	mux.HandleFunc("GET /v1/events", a.events)
	mux.HandleFunc("GET /v1/calls", a.calls)
	mux.HandleFunc("GET /v1/logs", a.logs)
	mux.HandleFunc("POST /v1/ssh", a.upgrade(hail.SSH, func(ctx context.Context, c *Carrier) error { return a.sandbox.SSH(ctx, c) }))
	mux.HandleFunc("POST /v1/exec", a.upgrade(hail.Exec, a.sandbox.Exec))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, fmt.Errorf("%s %s: no such route", r.Method, r.URL.Path))
	})
	return mux
}

func act[T any](do func(context.Context) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := do(r.Context())
		reply(w, v, err)
	}
}

func (a *api) answer(w http.ResponseWriter, r *http.Request) {
	var word Answer
	if err := decode(w, r, &word); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	if err := word.check(); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	approval, err := a.sandbox.Answer(r.Context(), r.PathValue("id"), word)
	reply(w, approval, err)
}

// check refuses every word that is none of the closed set, so that nothing but
// a written "allow" can ever open.
func (a Answer) check() error {
	switch a.Verdict + " " + a.Scope {
	case "allow once", "allow always", "deny once", "deny always":
		if a.Seconds != 0 {
			return fmt.Errorf("answer: seconds %d: only with scope for", a.Seconds)
		}
	case "allow for":
		if a.Seconds <= 0 {
			return fmt.Errorf("answer: seconds %d: want more than 0", a.Seconds)
		}
	default:
		return fmt.Errorf("answer: verdict %q, scope %q: want allow once|for|always or deny once|always", a.Verdict, a.Scope)
	}
	return nil
}

// decode reads one JSON value, bounded in size and time, with no unknown field.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	patience := http.NewResponseController(w)
	if err := patience.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if d.More() {
		return errors.New("read request: more than one value")
	}
	return patience.SetReadDeadline(time.Time{})
}

func reply(w http.ResponseWriter, v any, err error) {
	if err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	send(w, http.StatusOK, v)
}

// refuse sends err with its hint, where one of its causes has one.
func refuse(w http.ResponseWriter, status int, err error) {
	answer := Error{Message: err.Error()}
	var hinted interface{ Hint() string }
	var plain *Error
	switch {
	case errors.As(err, &hinted):
		answer.Hint = hinted.Hint()
	case errors.As(err, &plain):
		answer.Hint = plain.Hint
	}
	send(w, status, answer)
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The peer may have gone; then there is nobody to tell.
	_ = json.NewEncoder(w).Encode(v)
}

func (a *api) logs(w http.ResponseWriter, r *http.Request) {
	lines := 100
	if text := r.FormValue("lines"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			refuse(w, http.StatusBadRequest, fmt.Errorf("lines %q: want a number, 0 or more", text))
			return
		}
		lines = n
	}
	source, err := a.sandbox.Logs(r.Context(), lines, r.FormValue("follow") == "1")
	if err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	stream(w, r, source)
}

func (a *api) calls(w http.ResponseWriter, r *http.Request) {
	source, err := a.sandbox.Calls(r.Context())
	if err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	stream(w, r, source)
}

func (a *api) events(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("view") == "1" {
		defer a.sandbox.Watched()()
	}
	source, err := a.sandbox.Events(r.Context())
	if err != nil {
		refuse(w, http.StatusConflict, err)
		return
	}
	stream(w, r, source)
}
