package pipelines

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/internal/egress"
)

// ProjectFile is the name of the project file.
const ProjectFile = "headrace.yaml"

// Project is everything that the files at some paths say.
type Project struct {
	Dir       string      // relative paths in the files start here
	File      string      // the project file; "" without one
	Clusters  []Cluster   // in the order of the file; the first is the default
	State     StateConfig // where positions and run records are kept
	HTTP      *config.Node
	Registry  schema.Settings // of the formats with a schema; zero without one
	Pipelines []*Definition   // sorted by name

	callbacks egress.Settings
	blocks    block.Project // what blocks take from it
	resolver  *config.Resolver
	aside     map[string]bool // names of pipelines that SetAside took out
}

// StateConfig is the state section of the project file.
type StateConfig struct {
	Kind string `mapstructure:"kind" enum:"file" doc:"where positions and run records are kept"`
	Path string `mapstructure:"path" doc:"folder of the state"`
}

// DefaultStateConfig returns the values of keys that are not written.
func DefaultStateConfig() StateConfig { return StateConfig{Kind: "file", Path: ".headrace"} }

// Options say how a project is loaded.
type Options struct {
	ProjectFile string // "" looks for headrace.yaml at the paths
	Resolver    *config.Resolver
	// Bootstrap is used where no file names a bootstrap server: that of the
	// embedded broker.
	Bootstrap []string
	// NoPipelines reads the project file only.
	NoPipelines bool
}

// Load reads the project file and all pipelines at paths: files, or folders
// with headrace.yaml, pipelines/*.yaml or pipeline files of their own. The
// project's folder is that of the project file, without one that of the first
// path. Every problem of every file is reported; the Project is usable only
// without any.
func Load(paths []string, o Options) (*Project, config.Problems) {
	if o.Resolver == nil {
		o.Resolver = config.NewResolver()
	}
	if len(paths) == 0 {
		paths = []string{"."}
	}
	p := &Project{Dir: projectDirs(paths[:1])[0], State: DefaultStateConfig(), Registry: schema.DefaultSettings(), resolver: o.Resolver}
	var problems config.Problems
	if p.File = findProjectFile(paths, o.ProjectFile); p.File != "" {
		p.Dir = filepath.Dir(p.File)
		problems = append(problems, p.readProjectFile(o.Bootstrap)...)
	}
	if len(p.Clusters) == 0 && len(o.Bootstrap) > 0 {
		s := kafka.DefaultSettings()
		s.BootstrapServer = o.Bootstrap
		p.Clusters = []Cluster{{Name: "embedded", Settings: s}}
	}
	p.share()
	if o.NoPipelines {
		return p, problems.Sort()
	}
	files, more := pipelineFiles(paths, p.resolver)
	problems = append(problems, more...)
	for _, file := range files {
		d, more := p.parse(file)
		problems = append(problems, more...)
		if d != nil {
			p.Pipelines = append(p.Pipelines, d)
		}
	}
	return p, append(problems, p.checkNames()...).Sort()
}

// share lets blocks have the default cluster and the Schema Registry.
func (p *Project) share() {
	p.blocks = block.Project{Dir: p.Dir, StateDir: p.StateDir()}
	if len(p.Clusters) > 0 {
		block.Share(&p.blocks, p.Clusters[0].Settings)
	}
	block.Share(&p.blocks, p.Registry)
	block.Share(&p.blocks, p.callbacks)
}

// readCallbacks reads what webhooks may reach.
func (p *Project) readCallbacks(node *config.Node) config.Problems {
	if node.Kind() == config.Null {
		return nil
	}
	problems := node.Named("http.callbacks").Decode(&p.callbacks)
	for _, f := range p.callbacks.Faults() {
		problems = append(problems, keyProblem(node, f.Path, f.Path+" "+f.Message))
	}
	return problems
}

// checkNames reports names that two files use: state and metrics go by name.
func (p *Project) checkNames() config.Problems {
	sort.SliceStable(p.Pipelines, func(i, j int) bool { return p.Pipelines[i].Name < p.Pipelines[j].Name })
	var problems config.Problems
	for i := 1; i < len(p.Pipelines); i++ {
		if a, b := p.Pipelines[i-1], p.Pipelines[i]; a.Name == b.Name {
			problems = append(problems, config.Problem{Position: config.Position{File: b.File},
				Message: "pipeline name " + b.Name + " is used in " + a.File + " too; names are unique in a project"})
		}
	}
	return problems
}

// findProjectFile looks in the folders of the paths, then in the current one.
func findProjectFile(paths []string, named string) string {
	if named != "" {
		return named
	}
	for _, dir := range append(projectDirs(paths), ".") {
		file := filepath.Join(dir, ProjectFile)
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return ""
}

// projectDirs returns the folder that each path makes a project: itself or that
// of the file, and for a folder "pipelines" the one above.
func projectDirs(paths []string) []string {
	dirs := make([]string, len(paths))
	for i, path := range paths {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			path = filepath.Dir(path)
		}
		if abs, err := filepath.Abs(path); err == nil && filepath.Base(abs) == "pipelines" {
			path = filepath.Join(path, "..")
		}
		dirs[i] = path
	}
	return dirs
}

// projectHead are the sections of the project file that are decoded here.
type projectHead struct {
	State    StateConfig     `mapstructure:"state" doc:"where positions and run records are kept"`
	Registry schema.Settings `mapstructure:"schema_registry" doc:"Schema Registry of the formats avro, protobuf and jsonschema"`
}

var projectKeys = []string{"clusters", "http"}

func (p *Project) readProjectFile(embedded []string) config.Problems {
	root, problems := config.ParseFile(p.File, p.resolver)
	if root == nil {
		return problems
	}
	h := projectHead{State: p.State, Registry: p.Registry}
	problems = append(problems, root.Named("the project file").Decode(&h, projectKeys...)...)
	p.State, p.Registry, p.HTTP = h.State, h.Registry, root.Get("http")
	problems = append(problems, p.readCallbacks(p.HTTP.Get("callbacks"))...)
	config.ResolvePaths(&p.Registry, p.Dir)
	for _, f := range p.Registry.CheckFiles() {
		problems = append(problems, keyProblem(root.Get("schema_registry"), f.Path, f.Message))
	}
	return append(problems, p.readClusters(root.Get("clusters"), embedded)...)
}

// pipelineFiles returns the pipeline files at the paths, sorted, each once.
func pipelineFiles(paths []string, r *config.Resolver) ([]string, config.Problems) {
	seen := map[string]bool{}
	var files []string
	var problems config.Problems
	add := func(file string) {
		if file = filepath.Clean(file); !seen[file] {
			seen[file] = true
			files = append(files, file)
		}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			problems = append(problems, config.Problem{Position: config.Position{File: path}, Message: pathError(err)})
		case !info.IsDir():
			if filepath.Base(path) != ProjectFile {
				add(path)
			}
		default:
			found, err := yamlFiles(filepath.Join(path, "pipelines"))
			if errors.Is(err, fs.ErrNotExist) {
				found, err = loosePipelines(path, r)
			}
			if err != nil {
				problems = append(problems, config.Problem{Position: config.Position{File: path}, Message: pathError(err)})
			}
			for _, f := range found {
				add(f)
			}
		}
	}
	sort.Strings(files)
	return files, problems
}

func pathError(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) && errors.Is(err, fs.ErrNotExist) {
		return "cannot be read: there is no such file or folder" + connector.LookedAt(pe.Path, "", "the current folder")
	}
	if errors.As(err, &pe) {
		return "cannot be read: " + pe.Err.Error()
	}
	return "cannot be read: " + err.Error()
}

// yamlFiles returns the YAML files directly in dir.
func yamlFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if !e.IsDir() && (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".") && e.Name() != ProjectFile {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

// loosePipelines returns the files in a folder without "pipelines" that are
// pipelines by their look: they have blocks. Other YAML files are not ours.
func loosePipelines(dir string, r *config.Resolver) ([]string, error) {
	files, err := yamlFiles(dir)
	var out []string
	for _, f := range files {
		root, _ := config.ParseFile(f, r)
		if root == nil || root.Get("blocks") != nil {
			out = append(out, f)
		}
	}
	return out, err
}

// StateDir is the folder of the state.
func (p *Project) StateDir() string { return p.Path(p.State.Path) }

// Path is a path of the project file, made complete.
func (p *Project) Path(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.Dir, path)
}
