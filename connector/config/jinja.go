package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Mage renders a block's YAML with Jinja before it reads it. Of Jinja, only
// what such files hold in practice is understood: env_var and quoted text.
var (
	call      = regexp.MustCompile(`^([A-Za-z_][\w.]*)\s*\((.*)\)$`)
	literal   = regexp.MustCompile(`^(?:'([^']*)'|"([^"]*)")$`)
	arguments = regexp.MustCompile(`^\s*(?:'([^']*)'|"([^"]*)")\s*(?:,\s*(?:default\s*=\s*)?(?:'([^']*)'|"([^"]*)"|([\w.+-]+))\s*)?$`)
	statement = regexp.MustCompile(`^\{%[-+]?\s*(?:if|for|set|else|elif|endif|endfor|macro|raw|block|include|import|extends|with)\b`)
)

// template resolves the inside of {{ … }}. The names that batch sources bind
// when they run are left in the text.
func (r *Resolver) template(inner string) (value, error) {
	expression := strings.TrimSpace(strings.Trim(inner, "-"))
	switch expression {
	case "window.start", "window.end", "cursor":
		return value{keep: true}, nil
	}
	if m := literal.FindStringSubmatch(expression); m != nil {
		return value{text: m[1] + m[2]}, nil
	}
	m := call.FindStringSubmatch(expression)
	if m == nil {
		return value{}, fmt.Errorf("this {{ … }} is not supported; write ${NAME} or {{ env_var('NAME') }}, and {{ '{{' }} for plain braces")
	}
	if m[1] != "env_var" {
		return value{}, unsupportedCall(m[1], m[2])
	}
	a := arguments.FindStringSubmatch(m[2])
	if a == nil || !envName.MatchString(a[1]+a[2]) {
		return value{}, fmt.Errorf("cannot read this env_var; write {{ env_var('NAME') }} or {{ env_var('NAME', 'default') }}")
	}
	hasDefault := strings.Contains(m[2], ",")
	return r.environment(a[1]+a[2], a[3]+a[4]+a[5], hasDefault)
}

func unsupportedCall(name, args string) error {
	variable := "NAME"
	if a := arguments.FindStringSubmatch(args); a != nil && envName.MatchString(a[1]+a[2]) {
		variable = a[1] + a[2]
	}
	var instead string
	switch name {
	case "mage_secret_var", "aws_secret_var", "azure_secret_var", "doppler_secret_var", "secret_var":
		instead = fmt.Sprintf("give the secret as ${%s} or ${file:/run/secrets/%s}", variable, variable)
	case "variables":
		instead = fmt.Sprintf("give the variable as ${%s}, with a default as ${%s:-value}", variable, variable)
	case "file":
		instead = "write ${file:/path}"
	case "json_value":
		instead = "give the value of the key as a variable of its own, ${NAME}"
	default:
		instead = "write ${NAME} or {{ env_var('NAME') }}"
	}
	return fmt.Errorf("{{ %s(…) }} is not supported; %s", name, instead)
}
