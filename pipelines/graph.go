package pipelines

import (
	"maps"
	"slices"

	"github.com/headrace/headrace/connector/config"
)

// checkGraph fills in the default edges and reports whatever keeps the blocks
// from being a graph that leads from data loaders to data exporters.
func (d *Definition) checkGraph() config.Problems {
	var problems config.Problems
	byName := map[string]*Block{}
	for i, b := range d.Blocks {
		if byName[b.Name] != nil {
			problems = append(problems, b.node.KeyProblem("name", "block name %q is used twice; names are unique in a pipeline", b.Name))
		}
		byName[b.Name] = b
		if b.Type != DataLoader && len(b.Upstream) == 0 {
			if i == 0 {
				problems = append(problems, b.node.Problem("block %q has nothing to read from: put a data_loader above it or name upstream_blocks", b.Name))
				continue
			}
			b.Upstream = []string{d.Blocks[i-1].Name}
		}
	}
	if len(problems) > 0 { // names lead to the wrong blocks
		return problems
	}
	for _, b := range d.Blocks {
		problems = append(problems, checkEdges(b, byName)...)
	}
	if len(problems) > 0 {
		return problems
	}
	problems = append(problems, checkCycles(d.Blocks, byName)...)
	return append(problems, d.checkEnds()...)
}

func checkEdges(b *Block, byName map[string]*Block) config.Problems {
	var problems config.Problems
	if b.Type == DataLoader && len(b.Upstream) > 0 {
		return config.Problems{b.node.KeyProblem("upstream_blocks", "a data_loader reads from no other block")}
	}
	seen := map[string]bool{}
	for _, name := range b.Upstream {
		up := byName[name]
		switch {
		case up == nil:
			problems = append(problems, b.node.KeyProblem("upstream_blocks", "no block is named %q%s", name, config.DidYouMean(name, sortedNames(byName))))
		case up == b:
			problems = append(problems, b.node.KeyProblem("upstream_blocks", "block %q cannot read from itself", name))
		case up.Type == DataExporter && b.node.Get("upstream_blocks") == nil:
			problems = append(problems, b.node.Problem("block %q stands below the exporter %q; name its upstream_blocks", b.Name, name))
		case up.Type == DataExporter:
			problems = append(problems, b.node.KeyProblem("upstream_blocks", "%q is a data_exporter; nothing can be read from it", name))
		case seen[name]:
			problems = append(problems, b.node.KeyProblem("upstream_blocks", "%q is named twice", name))
		}
		seen[name] = true
	}
	return problems
}

func sortedNames(byName map[string]*Block) []string { return slices.Sorted(maps.Keys(byName)) }

// checkCycles reports each block that is its own ancestor.
func checkCycles(blocks []*Block, byName map[string]*Block) config.Problems {
	var problems config.Problems
	const open, closed = 1, 2
	state := map[*Block]int{}
	var visit func(*Block)
	visit = func(b *Block) {
		state[b] = open
		for _, name := range b.Upstream {
			up := byName[name]
			switch state[up] {
			case 0:
				visit(up)
			case open:
				problems = append(problems, b.node.KeyProblem("upstream_blocks", "cyclic blocks: %q reads, over others, from itself", name))
			}
		}
		state[b] = closed
	}
	for _, b := range blocks {
		if state[b] == 0 {
			visit(b)
		}
	}
	return problems
}

// checkEnds reports blocks from which records lead nowhere.
func (d *Definition) checkEnds() config.Problems {
	read := map[string]bool{}
	loaders := 0
	for _, b := range d.Blocks {
		if b.Type == DataLoader {
			loaders++
		}
		for _, name := range b.Upstream {
			read[name] = true
		}
	}
	var problems config.Problems
	if loaders == 0 {
		problems = append(problems, d.Blocks[0].node.Problem("the pipeline has no data_loader"))
	}
	for _, b := range d.Blocks {
		if b.Type != DataExporter && !read[b.Name] {
			problems = append(problems, b.node.Problem("nothing reads from block %q; add a data_exporter below it", b.Name))
		}
	}
	return problems
}

// readers returns the blocks that read from b, in the order of the file.
func (d *Definition) readers(b *Block) []*Block {
	var out []*Block
	for _, other := range d.Blocks {
		for _, name := range other.Upstream {
			if name == b.Name {
				out = append(out, other)
			}
		}
	}
	return out
}
