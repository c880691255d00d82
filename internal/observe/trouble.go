package observe

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// trouble is why the pod does not run, in Kubernetes' words and with the
// server's last lines; empty when nothing is wrong.
func trouble(pod *corev1.Pod) string {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name != container(pod) || c.State.Running != nil {
			continue
		}
		if t := c.State.Terminated; t != nil {
			return fmt.Sprintf("its server ended with code %d%s", t.ExitCode, lastLines(t.Message))
		}
		if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
			return waiting(w, c.LastTerminationState.Terminated)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return fmt.Sprintf("it cannot be scheduled: %s", c.Message)
		}
	}
	return ""
}

func waiting(w *corev1.ContainerStateWaiting, last *corev1.ContainerStateTerminated) string {
	if last != nil {
		return fmt.Sprintf("%s: its server ended with code %d%s", w.Reason, last.ExitCode, lastLines(last.Message))
	}
	return w.Reason + ": " + w.Message
}

const (
	// troubleLines and troubleLength (bytes) bound what a condition repeats of a
	// server's log.
	troubleLines  = 4
	troubleLength = 400
)

// logPrefix is what a server writes before each line: process, role, time and
// level (valkey 9.1 src/server.c serverLogRaw).
var logPrefix = regexp.MustCompile(`^\d+:[A-Z] \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d+ [.\-*#] `)

// lastLines is the end of a log: the cause stands last. What is known of a cause
// and cannot be read in it is said first.
func lastLines(log string) string {
	var lines []string
	for line := range strings.Lines(log) {
		line = strings.Join(strings.Fields(logPrefix.ReplaceAllString(strings.TrimSpace(line), "")), " ")
		if line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	text := strings.Join(lines[max(0, len(lines)-troubleLines):], " | ")
	if len(text) > troubleLength {
		text = "…" + strings.ToValidUTF8(text[len(text)-troubleLength:], "")
	}
	return ": " + advice(text) + text
}

// advice translates the one fatal line that does not say what to do.
func advice(log string) string {
	if strings.Contains(log, "Can't handle RDB format version") {
		return "its volume holds a dump of a newer version of the server, which this one cannot load; " +
			"change the version back: "
	}
	return ""
}
