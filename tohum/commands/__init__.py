"""The commands of `tohum`: each a module or a package that tohum.cli lists."""
