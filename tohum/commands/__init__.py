"""The commands of `tohum`, each a module or package that tohum.cli lists."""
