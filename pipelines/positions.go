package pipelines

import (
	"errors"
	"fmt"
	"strings"

	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/connector/state"
)

// NeedsState reports whether runs of the pipeline depend on what the state
// holds: the position of a source, or the last tick of a schedule.
func (d *Definition) NeedsState() bool {
	if d.Schedule != nil {
		return true
	}
	for _, b := range d.Blocks {
		if l, ok := b.part.(loader); ok && l.keepsPositions() {
			return true
		}
	}
	return false
}

// positions is where a block keeps its positions; nil for one that has none,
// which needs no state then.
func (s *Supervisor) positions(d *Definition, b *Block) intake.Positions {
	if l, ok := b.part.(loader); ok && !l.keepsPositions() {
		return nil
	}
	return positions{s.State, d.Name, b.Name}
}

// errNoWords is what a source says that does not put its positions into words.
var errNoWords = errors.New("no words for it")

// Describe says in words where a part of a stored position is, by the block that
// it belongs to. Without that it says how much is stored.
func (p *Project) Describe(h state.Held) string {
	for _, d := range p.Pipelines {
		for _, b := range d.Blocks {
			words, ok := b.part.(interface {
				describe(name string, at []byte) (string, error)
			})
			if !ok || d.Name != h.Pipeline || b.Name != h.Block {
				continue
			}
			if text, err := words.describe(h.Part, h.At); err == nil {
				return text
			}
		}
	}
	text := fmt.Sprintf("%d bytes, of no block of this project", len(h.At))
	if h.Part != "" {
		text = fmt.Sprintf("part %q: ", strings.ToValidUTF8(h.Part, "?")) + text
	}
	return text
}

// positions are those of one block in the state.
type positions struct {
	state           state.Store
	pipeline, block string
}

// Positions implements intake.Positions.
func (p positions) Positions() (map[string][]byte, error) {
	return p.state.Positions(p.pipeline, p.block)
}

// Save implements intake.Positions.
func (p positions) Save(changed map[string][]byte) error {
	return p.state.SavePositions(p.pipeline, p.block, changed)
}

// Clear implements intake.Positions.
func (p positions) Clear() error { return p.state.ClearPositions(p.pipeline, p.block) }
