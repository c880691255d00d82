package bed

import (
	"context"
	"strings"
)

// Info is what the server in a pod says of itself, by the names that it uses.
func (i *Instance) Info(ctx context.Context, pod string) (map[string]string, error) {
	out, err := i.Command(ctx, pod, "INFO")
	if err != nil {
		return nil, err
	}
	return parseInfo(out), nil
}

func parseInfo(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}
