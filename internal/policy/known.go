package policy

import "strings"

// modelAPIs are the public hosts of model providers, by the documentation of
// each. A direct call to one would pass the inference wall by.
var modelAPIs = map[Host]string{
	"api.openai.com":                    "openai",
	"eu.api.openai.com":                 "openai",
	"us.api.openai.com":                 "openai",
	"api.anthropic.com":                 "anthropic",
	"integrate.api.nvidia.com":          "nvidia",
	"ai.api.nvidia.com":                 "nvidia",
	"inference-api.nvidia.com":          "nvidia",
	"ollama.com":                        "ollama",
	"generativelanguage.googleapis.com": "google",
	"aiplatform.googleapis.com":         "google",
	"api.mistral.ai":                    "mistral",
	"codestral.mistral.ai":              "mistral",
	"api.groq.com":                      "groq",
	"api.together.xyz":                  "together",
	"api.together.ai":                   "together",
	"api.fireworks.ai":                  "fireworks",
	"api.deepseek.com":                  "deepseek",
	"api.x.ai":                          "xai",
	"api.cohere.com":                    "cohere",
	"api.cohere.ai":                     "cohere",
	"api.perplexity.ai":                 "perplexity",
	"openrouter.ai":                     "openrouter",
	"api.cerebras.ai":                   "cerebras",
	"api.sambanova.ai":                  "sambanova",
	"api.replicate.com":                 "replicate",
	"api.ai21.com":                      "ai21",
	"api.moonshot.ai":                   "moonshot",
	"api.moonshot.cn":                   "moonshot",
	"api.minimax.io":                    "minimax",
	"api.z.ai":                          "zai",
	"open.bigmodel.cn":                  "zhipu",
	"api.deepinfra.com":                 "deepinfra",
	"api.hyperbolic.xyz":                "hyperbolic",
	"api.novita.ai":                     "novita",
	"api.studio.nebius.com":             "nebius",
	"router.huggingface.co":             "huggingface",
	"api-inference.huggingface.co":      "huggingface",
	"models.github.ai":                  "github",
	"models.inference.ai.azure.com":     "github",
	"api.githubcopilot.com":             "github",
	"dashscope.aliyuncs.com":            "alibaba",
	"dashscope-intl.aliyuncs.com":       "alibaba",
	"api.voyageai.com":                  "voyage",
}

// modelAPISuffixes are those of providers that give every customer or region
// a name.
var modelAPISuffixes = []struct {
	suffix   string
	provider string
}{
	{".openai.azure.com", "azure"},
	{".services.ai.azure.com", "azure"},
	{".inference.ai.azure.com", "azure"},
	{"-aiplatform.googleapis.com", "google"},
}

// KnownModelAPI says whose model API a host is.
func KnownModelAPI(h Host) (provider string, known bool) {
	if provider, known = modelAPIs[h]; known {
		return provider, true
	}
	name := string(h)
	for _, s := range modelAPISuffixes {
		if strings.HasSuffix(name, s.suffix) {
			return s.provider, true
		}
	}
	if isBedrock(name) {
		return "amazon", true
	}
	return "", false
}

// isBedrock: bedrock-runtime.REGION.amazonaws.com.
func isBedrock(name string) bool {
	for _, first := range []string{"bedrock-runtime.", "bedrock-runtime-fips."} {
		rest, found := strings.CutPrefix(name, first)
		if found && (strings.HasSuffix(rest, ".amazonaws.com") || strings.HasSuffix(rest, ".amazonaws.com.cn")) {
			return true
		}
	}
	return false
}

// hasModelAPI says whether a wildcard may stand for a model API too.
func (a pattern) hasModelAPI() bool {
	if a.shape != oneLabel && a.shape != deep {
		return false
	}
	for h := range modelAPIs {
		if a.has(Request{Host: h}) {
			return true
		}
	}
	name := "." + string(a.name)
	for _, s := range modelAPISuffixes {
		if strings.HasSuffix(s.suffix, name) || strings.HasSuffix(name, s.suffix) || s.suffix[0] == '-' && strings.HasSuffix("."+s.suffix[1:], name) {
			return true
		}
	}
	return strings.HasSuffix(name, ".amazonaws.com") || strings.HasSuffix(name, ".amazonaws.com.cn")
}
