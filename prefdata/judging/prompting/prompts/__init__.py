"""The texts that a judge is asked with; one file each, see `prefdata.judging.prompting.prompt`."""
