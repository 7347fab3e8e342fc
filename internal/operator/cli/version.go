package cli

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/version"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "what this program is called, and what it was built with",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			a.voice.Result("nemoclaw %s", version.String)
			a.voice.Result("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}
