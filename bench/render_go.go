// Renders a Go template over conversations, as Ollama does: JSON on stdin {template, conversations}, texts on stdout.
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type message struct{ Role, Content string }

func main() {
	var given struct {
		Template      string
		Conversations [][]message
	}
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		panic(err)
	}
	parsed := template.Must(template.New("").Option("missingkey=zero").Parse(given.Template))
	texts := []string{}
	for _, messages := range given.Conversations {
		system := ""
		if messages[0].Role == "system" {
			system = messages[0].Content
		}
		var out strings.Builder
		if err := parsed.Execute(&out, map[string]any{"System": system, "Messages": messages}); err != nil {
			panic(err)
		}
		texts = append(texts, out.String())
	}
	if err := json.NewEncoder(os.Stdout).Encode(texts); err != nil {
		panic(err)
	}
}
