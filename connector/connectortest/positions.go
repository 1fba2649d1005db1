package connectortest

import (
	"bytes"
	"maps"
	"sync"
)

// Positions keeps positions in memory, as long as a test lives. It implements
// intake.Positions and is safe for concurrent use.
type Positions struct {
	mu     sync.Mutex
	byPart map[string][]byte
	// Refuse is the error of Save and Clear; nil stores.
	Refuse error
}

// Positions returns a copy of what is stored.
func (p *Positions) Positions() (map[string][]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.byPart), nil
}

// Save replaces the positions of some parts; nil forgets one.
func (p *Positions) Save(changed map[string][]byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Refuse != nil {
		return p.Refuse
	}
	if p.byPart == nil {
		p.byPart = map[string][]byte{}
	}
	for part, at := range changed {
		if at == nil {
			delete(p.byPart, part)
			continue
		}
		p.byPart[part] = bytes.Clone(at)
	}
	return nil
}

// Clear forgets everything.
func (p *Positions) Clear() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Refuse != nil {
		return p.Refuse
	}
	clear(p.byPart)
	return nil
}
