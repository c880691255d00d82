package render

import (
	_ "embed" // alone.sh

	corev1 "k8s.io/api/core/v1"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

// aloneFile is the script that keeps a second server off a volume (docs/adr/0009).
const aloneFile = "alone.sh"

//go:embed alone.sh
var aloneScript string

// aloneOnItsVolume makes alone.sh the container's first process, and it starts what was the
// first one. What a pod does not share with the next one needs no guard.
func aloneOnItsVolume(s *v1alpha1.ValkeySpec, c *corev1.Container) {
	if s.Storage != nil {
		c.Command = append([]string{"sh", confFolder + "/" + aloneFile}, c.Command...)
	}
}
