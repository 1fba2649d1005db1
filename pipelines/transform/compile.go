package transform

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/headrace/headrace/connector"
)

// The bounds of one expression on one record. A record decides how often a
// predicate runs, so nested ones need a bound of their own.
const (
	maxNodes  = 2000
	maxSteps  = 1_000_000
	maxMemory = 1_000_000 // members of lists and maps that it makes
)

// budgetName is the variable that carries a run's budget to stepName, which
// is called before each run of a predicate.
const (
	budgetName = "headrace_budget"
	stepName   = "headrace_step"
)

// budget is what is left of maxSteps, and whether the record has numbers that
// plainName has to make plain.
type budget struct {
	steps int
	odd   bool
}

// errSteps ends an expression that would run for ever on a hostile record.
var errSteps = errors.New("too many steps")

// program is a compiled expression and what it looks at.
type program struct {
	slot
	code *vm.Program
}

// stepper puts a call in front of each predicate's body that counts the step.
type stepper struct{}

// Visit changes predicates; part of ast.Visitor.
func (stepper) Visit(node *ast.Node) {
	if p, ok := (*node).(*ast.PredicateNode); ok {
		p.Node = &ast.ConditionalNode{
			Cond: &ast.CallNode{
				Callee:    &ast.IdentifierNode{Value: stepName},
				Arguments: []ast.Node{&ast.IdentifierNode{Value: budgetName}},
			},
			Exp1: p.Node,
			Exp2: &ast.NilNode{},
		}
	}
}

func step(params ...any) (any, error) {
	b := params[0].(*budget)
	if b.steps--; b.steps < 0 {
		return nil, errSteps
	}
	return true, nil
}

// merge returns a map with the members of all; later ones win.
func merge(params ...any) (any, error) {
	out := map[string]any{}
	for _, p := range params {
		m, ok := p.(map[string]any)
		if !ok && p != nil {
			return nil, errors.New("merge: not a map")
		}
		maps.Copy(out, m)
	}
	return out, nil
}

// omit returns a map without the named members.
func omit(params ...any) (any, error) {
	m, ok := params[0].(map[string]any)
	if !ok {
		return nil, errors.New("omit: not a map")
	}
	out := maps.Clone(m)
	for _, p := range params[1:] {
		name, ok := p.(string)
		if !ok {
			return nil, errors.New("omit: not a name")
		}
		delete(out, name)
	}
	return out, nil
}

func options() []expr.Option {
	return []expr.Option{
		expr.Env(types.Map{
			"data": types.Any, "key": types.Any,
			"metadata": types.Map{
				"key": types.Any, "time": types.Any, "dest_topic": types.Any, "partition": types.Any, "headers": types.Any,
			},
			"source":   types.Map{"topic": types.Any, "partition": types.Any, "offset": types.Any, "timestamp": types.Any},
			budgetName: types.TypeOf(&budget{}),
		}),
		expr.MaxNodes(maxNodes),
		expr.Function(stepName, step, new(func(*budget) bool)),
		expr.Function("merge", merge, new(func(any, ...any) map[string]any)),
		expr.Function("omit", omit, new(func(any, ...string) map[string]any)),
		expr.Function(plainName, makePlain, new(func(*budget, any) any)),
		expr.Patch(&plainer{}),
		expr.Patch(stepper{}),
	}
}

// compile compiles one expression.
func compile(text string, wantBool bool) (*program, error) {
	p := &program{}
	code, err := expr.Compile(text, options()...)
	if err != nil {
		return nil, err
	}
	// What a record gives may be anything; expr.AsBool would take nil for false.
	if t := code.Node().Type(); wantBool && t != nil && t.Kind() != reflect.Bool && t.Kind() != reflect.Interface {
		return nil, fmt.Errorf("must be true or false; this is %s", described(code.Node()))
	}
	p.code = code
	return p, nil
}

// described says what an expression that is no question is.
func described(node ast.Node) string {
	switch n := node.(type) {
	case *ast.IntegerNode:
		return kind(n.Value)
	case *ast.FloatNode:
		return kind(n.Value)
	case *ast.ConstantNode:
		return kind(n.Value)
	}
	switch t := node.Type(); t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Int, reflect.Float64:
		return "a number"
	case reflect.Map:
		return "a map"
	case reflect.Slice:
		return "a list"
	default:
		return "something else"
	}
}

// compile compiles all that are set.
func (c *Config) compile() (programs []*program, faults []connector.Fault) {
	for _, s := range c.slots() {
		if s.text == "" || s.key == "data" && strings.TrimSpace(s.text) == "data" {
			continue // the value stays as it is, byte for byte
		}
		p, err := compile(s.text, s.bool)
		if err != nil {
			faults = append(faults, connector.Fault{Path: s.key, Message: compileError(s.key, err).Error()})
			continue
		}
		p.slot = s
		programs = append(programs, p)
	}
	return programs, faults
}

// run evaluates the program. The error leaves out whatever may come from the
// record.
func (p *program) run(machine *vm.VM, env map[string]any) (any, error) {
	out, err := machine.Run(p.code, env)
	if err == nil {
		return out, nil
	}
	ce := compileError(p.key, err)
	ce.Message = withoutValues(err, ce.Message)
	return nil, ce
}

// withoutValues keeps of a runtime error what is known not to print values.
func withoutValues(err error, message string) string {
	var fe *file.Error
	if errors.Is(err, errSteps) || errors.As(err, &fe) && fe.Prev != nil && strings.HasPrefix(fe.Prev.Error(), "merge:") ||
		errors.As(err, &fe) && fe.Prev != nil && strings.HasPrefix(fe.Prev.Error(), "omit:") {
		return message
	}
	switch {
	case strings.HasPrefix(message, "cannot fetch "):
		return "there is no such member in a " + strings.Replace(message[strings.LastIndex(message, " ")+1:], "<nil>", "nil", 1)
	case strings.HasPrefix(message, "index out of range"):
		return "index out of range"
	case strings.HasPrefix(message, "invalid operation: "), strings.HasPrefix(message, "interface conversion: "),
		message == "memory budget exceeded":
		return message
	default:
		return "the expression failed on this record"
	}
}
