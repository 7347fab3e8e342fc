package main

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"google.golang.org/genai"
)

func ofGemini(ctx context.Context, base string, out *result) error {
	c, err := genai.NewClient(ctx, &genai.ClientConfig{APIKey: key, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: base}})
	if err != nil {
		return err
	}
	hi := genai.Text("hi")
	whole, err := c.Models.GenerateContent(ctx, "tiny", hi, nil)
	if err != nil {
		return err
	}
	out.Whole = whole.Text()
	for part, err := range c.Models.GenerateContentStream(ctx, "tiny", hi, nil) {
		if err != nil {
			return err
		}
		out.Stream.add(part.Text())
	}
	for m, err := range c.Models.All(ctx) {
		if err != nil {
			return err
		}
		out.Models = append(out.Models, strings.TrimPrefix(m.Name, "models/"))
	}
	count, err := c.Models.CountTokens(ctx, "tiny", hi, nil)
	if err != nil {
		return err
	}
	out.Count = int64(count.TotalTokens)
	raw, err := base64.StdEncoding.DecodeString(picture)
	if err != nil {
		return err
	}
	look := genai.NewContentFromParts([]*genai.Part{genai.NewPartFromText("hi"), genai.NewPartFromBytes(raw, "image/png")}, genai.RoleUser)
	seen, err := c.Models.GenerateContent(ctx, "tiny", []*genai.Content{look}, nil)
	if err != nil {
		return err
	}
	out.Seen = seen.Text()
	tools := []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{{Name: "exec", Description: "run", ParametersJsonSchema: schema}}}}
	called, err := c.Models.GenerateContent(ctx, "rogue", hi, &genai.GenerateContentConfig{Tools: tools})
	if err != nil {
		return err
	}
	for _, call := range called.FunctionCalls() {
		out.Tool = tool{call.Name, call.Args}
	}
	_, err = c.Models.GenerateContent(ctx, "gone", hi, nil)
	var no genai.APIError
	if errors.As(err, &no) {
		out.Refused = &refused{no.Code, no.Message}
	}
	return nil
}
