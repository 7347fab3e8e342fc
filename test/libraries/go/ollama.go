package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/ollama/ollama/api"
)

func ofOllama(ctx context.Context, base string, out *result) error {
	u, err := url.Parse(base)
	if err != nil {
		return err
	}
	c := api.NewClient(u, http.DefaultClient)
	messages := []api.Message{{Role: "user", Content: "hi"}}
	whole := false
	err = c.Chat(ctx, &api.ChatRequest{Model: "tiny", Messages: messages, Stream: &whole}, func(r api.ChatResponse) error {
		out.Whole = r.Message.Content
		return nil
	})
	if err != nil {
		return err
	}
	err = c.Chat(ctx, &api.ChatRequest{Model: "tiny", Messages: messages}, func(r api.ChatResponse) error {
		out.Stream.add(r.Message.Content)
		return nil
	})
	if err != nil {
		return err
	}
	var tools api.Tools
	if err := json.Unmarshal([]byte(`[{"type":"function","function":{"name":"exec","description":"run","parameters":{"type":"object","properties":{"command":{"type":"string"}}}}}]`), &tools); err != nil {
		return err
	}
	err = c.Chat(ctx, &api.ChatRequest{Model: "rogue", Messages: messages, Tools: tools}, func(r api.ChatResponse) error {
		for _, call := range r.Message.ToolCalls {
			out.Tool = tool{call.Function.Name, call.Function.Arguments.ToMap()}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = c.Generate(ctx, &api.GenerateRequest{Model: "tiny", Prompt: "hi", Stream: &whole}, func(r api.GenerateResponse) error {
		out.Generated = r.Response
		return nil
	})
	if err != nil {
		return err
	}
	if err := seenByOllama(ctx, c, out); err != nil {
		return err
	}
	return aboutOllama(ctx, c, messages, out)
}

func seenByOllama(ctx context.Context, c *api.Client, out *result) error {
	raw, err := base64.StdEncoding.DecodeString(picture)
	if err != nil {
		return err
	}
	whole := false
	ask := &api.ChatRequest{Model: "tiny", Messages: []api.Message{{Role: "user", Content: "hi", Images: []api.ImageData{raw}}}, Stream: &whole}
	err = c.Chat(ctx, ask, func(r api.ChatResponse) error {
		out.Seen = r.Message.Content
		return nil
	})
	if err != nil {
		return err
	}
	two, err := c.Embed(ctx, &api.EmbedRequest{Model: "tiny", Input: []string{"a", "b"}})
	var no api.StatusError
	if errors.As(err, &no) {
		out.Unfit = &refused{no.StatusCode, no.ErrorMessage}
		return nil
	}
	if err != nil {
		return err
	}
	one, err := c.Embeddings(ctx, &api.EmbeddingRequest{Model: "tiny", Prompt: "a"})
	if err != nil {
		return err
	}
	for _, v := range two.Embeddings {
		out.Vectors = append(out.Vectors, len(v))
	}
	out.Vectors = append(out.Vectors, len(one.Embedding))
	return nil
}

func aboutOllama(ctx context.Context, c *api.Client, messages []api.Message, out *result) error {
	list, err := c.List(ctx)
	if err != nil {
		return err
	}
	for _, m := range list.Models {
		out.Models = append(out.Models, m.Name)
	}
	shown, err := c.Show(ctx, &api.ShowRequest{Model: "tiny"})
	if err != nil {
		return err
	}
	for _, s := range shown.Capabilities {
		out.Shown = append(out.Shown, string(s))
	}
	if _, err := c.ListRunning(ctx); err != nil {
		return err
	}
	out.Running = true
	if out.Version, err = c.Version(ctx); err != nil {
		return err
	}
	err = c.Chat(ctx, &api.ChatRequest{Model: "gone", Messages: messages}, func(api.ChatResponse) error { return nil })
	var status api.StatusError
	if errors.As(err, &status) {
		out.Refused = &refused{status.StatusCode, status.ErrorMessage}
	}
	return nil
}
