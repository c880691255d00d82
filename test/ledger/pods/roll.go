package pods

import (
	"slices"
	"time"
)

// Mark is a moment that somebody outside named, such as "image change". A roll
// begins with it.
type Mark struct {
	At   time.Time
	Name string
}

// Roll is one change that replaced pods.
type Roll struct {
	// Mark names what began it, "" if nobody said.
	Mark string
	// Start is the mark's time, or without one that of the first deletion. End
	// is when the last replaced pod was gone, Ready and synced, all three; or
	// the end of the run if that did not happen (then it is not Complete).
	Start, End time.Time
	Complete   bool
	// Unavoidable is how long at least one replaced pod was on its way from its
	// deletion to gone, Ready and synced. For pods replaced one after the other
	// it is the sum of (gone - deletion) + (Ready - gone) + (synced - Ready, at
	// least 0); times in which two pods were on their way count once.
	Unavoidable time.Duration
	Pods        []Replaced
}

// Replaced is a pod that was deleted, and the pod of the same name that came
// after it. Ready and Synced are the successor's; zero if there was none.
type Replaced struct {
	Name                          string
	Deletion, Gone, Ready, Synced time.Time
	// FromImage and ToImage are the images of the first container.
	FromImage, ToImage string
	// Removed is set if no pod of that name came after it (a scale-down), or only in a
	// later roll (the extra pod of each).
	Removed bool

	created time.Time // the successor
}

// Duration is how long the roll took.
func (r Roll) Duration() time.Duration { return r.End.Sub(r.Start) }

// end is when the replacement was done, or the given end of the run.
func (p Replaced) end(run time.Time) (time.Time, bool) {
	steps := []time.Time{p.Gone, p.Ready, p.Synced}
	if p.Removed {
		steps = steps[:1]
	}
	var last time.Time
	for _, at := range steps {
		if at.IsZero() {
			return run, false
		}
		last = later(last, at)
	}
	return last, true
}

// removed is the pod without its successor.
func (p Replaced) removed() Replaced {
	return Replaced{Name: p.Name, Deletion: p.Deletion, Gone: p.Gone, FromImage: p.FromImage, Removed: true}
}

// Rolls finds the rolls of a run that ended at a time. Each mark begins one,
// which lasts until the next mark; deletions before the first mark are a roll of
// their own. Marks after which no pod was deleted begin no roll.
func Rolls(lives []Life, marks []Mark, end time.Time) []Roll {
	marks = slices.Clone(marks)
	slices.SortStableFunc(marks, func(a, b Mark) int { return a.At.Compare(b.At) })
	groups := make([][]Replaced, len(marks)+1)
	for _, p := range replacements(lives) {
		group := 0
		for group < len(marks) && !marks[group].At.After(p.Deletion) {
			group++
		}
		if group < len(marks) && p.created.After(marks[group].At) {
			p = p.removed()
		}
		groups[group] = append(groups[group], p)
	}
	var rolls []Roll
	for i, replaced := range groups {
		if len(replaced) == 0 {
			continue
		}
		roll := Roll{Start: replaced[0].Deletion, Pods: replaced}
		if i > 0 {
			roll.Mark, roll.Start = marks[i-1].Name, marks[i-1].At
		}
		roll.sum(end)
		rolls = append(rolls, roll)
	}
	return rolls
}

// replacements pairs each deleted pod with its successor, in order of deletion.
func replacements(lives []Life) []Replaced {
	var out []Replaced
	for _, old := range lives {
		if old.Deletion.IsZero() {
			continue
		}
		p := Replaced{Name: old.Name, Deletion: old.Deletion, Gone: old.Gone, FromImage: old.Image, Removed: true}
		for _, next := range lives { // oldest first
			if next.Name == old.Name && next.UID != old.UID && next.Created.After(old.Created) {
				p.created, p.Ready, p.Synced, p.ToImage, p.Removed = next.Created, next.Ready, next.Synced, next.Image, false
				break
			}
		}
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b Replaced) int { return a.Deletion.Compare(b.Deletion) })
	return out
}

// sum works out End, Complete and Unavoidable. Pods are in order of deletion.
func (r *Roll) sum(run time.Time) {
	r.Complete = true
	covered := r.Pods[0].Deletion
	for _, p := range r.Pods {
		end, done := p.end(run)
		r.Complete = r.Complete && done
		r.End = later(r.End, end)
		if from := later(covered, p.Deletion); end.After(from) {
			r.Unavoidable += end.Sub(from)
			covered = end
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
