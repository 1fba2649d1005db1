package filesource

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/formats"
)

// place is the stored form of a position in one file.
type place struct {
	File             string   `json:"file"`
	ID               string   `json:"id,omitempty"` // device and inode, where there are
	formats.Position          // of the decompressed content
	Header           []string `json:"header,omitempty"`
	// Size and Changed are those of the file when it was read to its end; a
	// file that still has them need not be opened. Size 0: the end was not
	// reached.
	Size    int64 `json:"size,omitempty"`
	Changed int64 `json:"changed,omitempty"` // ns since the epoch
	// Followed marks a place of a stream, or of a run that takes what is new. A
	// run that reads every file from its start does not go on there.
	Followed bool `json:"followed,omitempty"`
}

// partOf names the part of the input that a file is.
func partOf(name string, info fs.FileInfo) string {
	if id := identity(info); id != "" {
		return id
	}
	return name
}

func (p *place) position(part string) connector.Position {
	text, err := json.Marshal(p)
	if err != nil {
		panic("filesource: a place that is no JSON: " + err.Error()) // strings and numbers only
	}
	return connector.Position{Part: part, At: text}
}

// Describe says in words what a stored position is.
func (c *Config) Describe(_ string, at []byte) (string, error) {
	var p place
	if err := json.Unmarshal(at, &p); err != nil {
		return "", fmt.Errorf("the stored position of a file cannot be read: %w", err)
	}
	text := fmt.Sprintf("%s: byte %d, line %d", strings.ToValidUTF8(strings.ReplaceAll(p.File, "\n", `\n`), "?"), p.Offset, p.Line)
	if p.Size > 0 {
		text += " (its end)"
	}
	return text, nil
}

// ended reports that the file was read to its end and has not changed since.
func (p *place) ended(info fs.FileInfo) bool {
	return p.Size > 0 && p.Size == info.Size() && p.Changed == info.ModTime().UnixNano()
}

// places are the positions that earlier runs left.
type places struct {
	byPart map[string]place
	byName map[string]string // the part of a file's name
	// folders holds the identities in folders that had to be looked through.
	folders map[string]map[string]string
}

// readPlaces reads what is stored. whole is set for a run that reads every file
// from its start: it goes on only where another such run was broken off.
func readPlaces(stored map[string][]byte, whole bool) (places, error) {
	p := places{byPart: make(map[string]place, len(stored)), byName: make(map[string]string, len(stored)), folders: map[string]map[string]string{}}
	for part, text := range stored {
		var at place
		if err := json.Unmarshal(text, &at); err != nil {
			return p, fmt.Errorf("the stored position of a file cannot be read: %w; headrace state reset forgets it, and the files are read from their beginning", err)
		}
		if whole && at.Followed {
			continue
		}
		if at.TailEnd == 0 && at.TailBytes > 0 { // stored before records could be passed one by one
			at.TailEnd = at.Offset
		}
		p.byPart[part], p.byName[at.File] = at, part
	}
	return p, nil
}

// of returns the place of a file: by what it is, or by its name where no other
// file has become of the one that had it. was is the part it is stored under.
func (p *places) of(name string, info fs.FileInfo) (at place, was string) {
	part := partOf(name, info)
	if at, ok := p.byPart[part]; ok {
		return at, part
	}
	was, ok := p.byName[name]
	if !ok {
		return place{}, ""
	}
	at = p.byPart[was]
	dir := filepath.Dir(name)
	if p.folders[dir] == nil {
		p.folders[dir], _ = identities(dir) // a folder that cannot be read holds nothing else
	}
	if other := p.folders[dir][at.ID]; other != "" && other != name {
		return place{}, "" // it was renamed, and this is a new file under its name
	}
	return at, was
}

// identities returns the names of the files in a folder by what they are.
func identities(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(entries))
	for _, e := range entries {
		if info, err := e.Info(); err == nil && identity(info) != "" {
			names[identity(info)] = filepath.Join(dir, e.Name())
		}
	}
	return names, nil
}

// moved looks for a file that has another name now in the folder that it was in;
// "" when it is not there. sure is false when the folder cannot be read: it may
// come back.
func (p *place) moved() (name string, sure bool) {
	names, err := identities(filepath.Dir(p.File))
	if err != nil {
		return "", false
	}
	return names[p.ID], true
}
