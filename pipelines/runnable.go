package pipelines

import (
	"slices"

	"github.com/headrace/headrace/connector/config"
)

// Runnable takes what is wrong with the inputs of pipelines out of the problems
// that Load returned, and returns it: their runs fail and say so, and nothing
// else does.
func (p *Project) Runnable(problems config.Problems) (left, missing config.Problems) {
	for _, d := range p.Pipelines {
		missing = append(missing, d.Missing...)
	}
	for _, problem := range problems {
		if !slices.Contains(missing, problem) {
			left = append(left, problem)
		}
	}
	return left, missing.Sort()
}

// SetAside takes the pipelines out of p whose schedule is bad, when nothing else
// is wrong, so that the others can run; one that runs already goes on as it is.
// problems are those of Load; it returns those that are left, and those of the
// pipelines set aside.
func (p *Project) SetAside(problems config.Problems) (left, aside config.Problems) {
	good, names := make([]*Definition, 0, len(p.Pipelines)), map[string]bool{}
	for _, d := range p.Pipelines {
		if len(d.BadSchedule) == 0 {
			good = append(good, d)
			continue
		}
		aside, names[d.Name] = append(aside, d.BadSchedule...), true
	}
	aside = aside.Sort()
	for _, problem := range problems {
		if !slices.Contains(aside, problem) {
			left = append(left, problem)
		}
	}
	if len(left) > 0 || len(good) == 0 {
		return problems, nil
	}
	p.Pipelines, p.aside = good, names
	return nil, aside
}

// resolved is the fingerprint of what the blocks' settings have become, with
// what the project gave them and the files they name.
func (d *Definition) resolved() string {
	settings := make([]any, len(d.Blocks))
	for i, b := range d.Blocks {
		settings[i] = b.part.settings()
	}
	return config.Fingerprint(settings...)
}
