package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

// script is what a call asks of the model, as the text of its message.
type script struct {
	Think  time.Duration `json:"think"`  // before the first token
	Tokens int           `json:"tokens"` // that are said
	Pace   time.Duration `json:"pace"`   // between two of them
}

// model is a server of OpenAI's chat that says as many tokens as it is asked
// for, in their time.
func model() error {
	return listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/version":
			fmt.Fprint(w, `{"version":"0.12.0"}`)
		case "/api/tags":
			fmt.Fprint(w, `{"models":[{"name":"tiny:latest","model":"tiny:latest"}]}`)
		case "/v1/chat/completions":
			speak(w, r)
		default:
			http.NotFound(w, r)
		}
	}))
}

// reverse is the plain proxy of the standard library.
func reverse(target string) error {
	p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.DisableCompression = 4096, true
	p.Transport = t
	return listen(p)
}

// listen serves h until standard input ends, and prints its address.
func listen(h http.Handler) error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(l, h) //nolint:errcheck // ends with the process
	fmt.Println(l.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func speak(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Model    string
		Messages []struct{ Content string }
	}
	var s script
	if json.NewDecoder(r.Body).Decode(&in) != nil || len(in.Messages) != 1 || json.Unmarshal([]byte(in.Messages[0].Content), &s) != nil {
		http.Error(w, `{"error":"no script"}`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	next := time.NewTimer(s.Think)
	defer next.Stop()
	due := time.Now().Add(s.Think)
	for i := range s.Tokens {
		select {
		case <-next.C:
		case <-r.Context().Done():
			return
		}
		fmt.Fprintf(w, "data: {\"id\":\"chatcmpl-123\",\"object\":\"chat.completion.chunk\",\"created\":1764270000,\"model\":%q,\"system_fingerprint\":\"fp\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\" word%d\"},\"finish_reason\":null}]}\n\n", in.Model, i%10)
		if flush.Flush() != nil {
			return
		}
		due = due.Add(s.Pace)
		next.Reset(time.Until(due))
	}
	fmt.Fprintf(w, "data: {\"id\":\"chatcmpl-123\",\"object\":\"chat.completion.chunk\",\"created\":1764270000,\"model\":%q,\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n", in.Model)
}

// calls makes several calls at once, each of them so often, and gives the time
// to the first token of each call; gaps gives the longest silence instead.
func calls(to string, atOnce, often int, s script, gaps bool) (a answer, err error) {
	t := &http.Transport{MaxIdleConnsPerHost: atOnce, DisableCompression: true}
	defer t.CloseIdleConnections()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range atOnce {
		all.Go(func() {
			// Not all in the same moment: that measures how long a queue is.
			<-time.After(time.Duration(i) * s.whole() / time.Duration(atOnce))
			for range often {
				first, gap, e := s.call(t, to)
				if gaps {
					first = gap
				}
				mu.Lock()
				a.Took = append(a.Took, int64(first))
				err = errors.Join(err, e)
				mu.Unlock()
				if e != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return a, err
}

// whole is about how long a call takes.
func (s script) whole() time.Duration { return s.Think + time.Duration(s.Tokens)*s.Pace }

// call makes one call and reads it to its end.
func (s script) call(t *http.Transport, to string) (first, gap time.Duration, err error) {
	said, _ := json.Marshal(s)
	body, _ := json.Marshal(map[string]any{"model": "tiny", "stream": true, "messages": []map[string]string{{"role": "user", "content": string(said)}}})
	req, err := http.NewRequest(http.MethodPost, "http://"+to+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := t.RoundTrip(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	tokens := 0
	last := began
	for in := bufio.NewReaderSize(resp.Body, 2048); ; {
		line, err := in.ReadSlice('\n')
		if err != nil && len(line) == 0 {
			break
		}
		if !bytes.Contains(line, []byte(`"content"`)) {
			continue
		}
		now := time.Now()
		if tokens == 0 {
			first = now.Sub(began)
		} else {
			gap = max(gap, now.Sub(last))
		}
		last = now
		tokens++
	}
	if tokens != s.Tokens {
		return first, gap, fmt.Errorf("%s: status %d, %d tokens of %d", to, resp.StatusCode, tokens, s.Tokens)
	}
	return first, gap, nil
}
