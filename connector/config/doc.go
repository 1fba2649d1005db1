// Package config turns YAML into the structs of the connectors, strictly: an
// unknown key, a wrong type or an unset variable is an error with its place in
// the file, and all of them are reported at once.
//
// Parse reads one document into Nodes and resolves what comes from outside:
// ${NAME}, ${NAME:-default}, ${file:/path} and Mage's {{ env_var('NAME') }}.
// Node.Decode fills a struct whose fields carry the tags
//
//	mapstructure:"key"   the key in the file
//	doc:"..."            one line for the reference and the JSON Schema
//	also:"key.ms"        the key's name in the configuration of another program, for the reference
//	enum:"A,B"           the allowed values, matched in any case and stored as written here
//	required:"true"      the key must be there, unless the field has a value already
//
// What a struct holds before it is decoded are the defaults. No message shows
// a value of the file, since a value in the wrong place may be a password.
package config
