package explore

import (
	"fmt"

	"github.com/valkeeper/valkeeper/internal/model"
)

// Book numbers steps. A state keeps the number; the step is as it was planned.
type Book struct {
	steps   []model.Step
	numbers map[string]uint16
}

// NewBook has no step in it.
func NewBook() *Book { return &Book{numbers: map[string]uint16{}} }

// Number gives a step a number; 0 is none.
func (b *Book) Number(step model.Step) uint16 {
	if step == nil {
		return 0
	}
	key := fmt.Sprintf("%#v", step)
	if n, ok := b.numbers[key]; ok {
		return n
	}
	b.steps = append(b.steps, step)
	b.numbers[key] = uint16(len(b.steps)) //nolint:gosec // some hundreds
	return b.numbers[key]
}

// Step is the one with a number.
func (b *Book) Step(number uint16) model.Step {
	if number == 0 {
		return nil
	}
	return b.steps[number-1]
}
