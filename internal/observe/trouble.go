package observe

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

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

const (
	// shortRun is a run in which a server has hardly begun: who ends so soon does so again.
	shortRun = 10 * time.Second
	// longBackoff is the kubelet's wait before a start when several in a row have failed.
	longBackoff = 40 * time.Second
	// longPrepared is how long a container is prepared for at most: its image is fetched, its
	// volumes and Secrets are mounted. What takes longer does not come by itself.
	longPrepared = 5 * time.Minute
)

// cannotStart says that Kubernetes does not bring the server up as the pod is. A server that
// has ended, or was killed, is started again: the first time at once, then after a wait that
// doubles. Only when it ends soon after each start, or that wait has grown, is it this. A pod
// that has ended as a whole is made anew.
func cannotStart(pod *corev1.Pod, now time.Time) bool {
	for _, c := range pod.Status.ContainerStatuses {
		w := c.State.Waiting
		if c.Name != container(pod) || w == nil {
			continue
		}
		switch w.Reason {
		case "ContainerCreating", "PodInitializing":
			return notReadyFor(pod, now) > longPrepared
		case "CrashLoopBackOff":
			return crashesAgain(w, c.LastTerminationState.Terminated)
		}
		return true
	}
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse
	})
}

// notReadyFor is how long the pod has not been Ready; 0 when it is, or nobody says.
func notReadyFor(pod *corev1.Pod, now time.Time) time.Duration {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionFalse && !c.LastTransitionTime.IsZero() {
			return now.Sub(c.LastTransitionTime.Time)
		}
	}
	return 0
}

// backoff is what the kubelet says of its wait, such as "back-off 1m20s restarting failed
// container=valkey" (kubernetes v1.37 pkg/kubelet/kuberuntime doBackOff).
var backoff = regexp.MustCompile(`back-off (\S+) restarting`)

func crashesAgain(w *corev1.ContainerStateWaiting, last *corev1.ContainerStateTerminated) bool {
	if last != nil && last.FinishedAt.Sub(last.StartedAt.Time) < shortRun {
		return true
	}
	said := backoff.FindStringSubmatch(w.Message)
	if said == nil {
		return true // it says no more than that it waits
	}
	wait, err := time.ParseDuration(said[1])
	return err != nil || wait >= longBackoff
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
