"""The engine's sentences that people meet, as they are before values are put in. A list for `engine_words.py`.

The first that fits counts, so one that says more stands before one that says less. A test looks for sentences that the
engine no longer says, and for those that it could say in the app and that are not here.
"""

from __future__ import annotations

from meadow_desktop.language import marked

ENGINE_SENTENCES = (
    # What the part is doing that shares.
    marked("Starting"),
    marked("Loading layers of {model}"),
    marked("Giving the memory back"),
    marked("Sharing is switched off"),
    marked("Somebody has ended the part that hosts layers"),
    marked("{what}; pause Meadow if it shall stay away"),
    marked("The part that hosts layers cannot be started ({reason})"),
    marked("The part that hosts layers ended unexpectedly ({how})"),
    marked("Layers {start}:{end} do not fit in the memory of {device}"),
    marked("Not even one layer of {model} fits in the free memory of {device}"),
    marked("Host fewer layers (--layers A:B), or use --quantization int8 or nf4."),
    marked("The device {device} cannot be used on this computer"),
    marked("Use --device cpu, or install the driver and the torch build for this device."),
    marked("Starting again in {seconds} s"),
    marked("{what}; conversations move on"),
    # Answers.
    marked("No computer in the swarm holds {layers} of {model} now; waiting up to {seconds} s for one"),
    marked("{computer} is full; this conversation is number {place} in its line, waiting up to {seconds} s"),
    marked("No computer in the swarm holds {layers} of {model} after waiting {seconds} s"),
    marked("No computer in the swarm holds {layers} of {model}"),
    marked("Start an engine that hosts these layers (meadow serve), or try again when more computers are on."),
    marked("The computer {peer} with {layers} stopped answering"),
    marked("Ask again: the swarm finds another way as soon as these layers are there once more."),
    marked("Try again in a moment; another computer may take over."),
    marked("The text has {tokens} tokens, but only {limit} fit"),
    marked("Shorten the conversation or ask for fewer new tokens."),
    marked("Meadow was ended while it answered"),
    marked("Start Meadow again and ask once more."),
    marked("The model {model} is not served here"),
    marked("The swarm holds {model}, but its files are neither on this computer nor on huggingface.co"),
    marked("Write its folder, or its whole name on huggingface.co such as Qwen/Qwen3-8B, into the setting `models`."),
    marked("The computer {peer} with {layers} cannot be reached"),
    marked("The computer {peer} with {layers} was lost before it had handed over"),
    marked("The computer {peer} with {layers} did not get what it was to take over"),
    marked("The computer {peer} with {layers} refused: {reason}"),
    marked("The peer {peer} cannot be reached"),
    marked("Ask for {known}, or see GET /v1/models."),
    marked("The model's chat template refuses this conversation: {reason}"),
    # Swarms.
    marked("Nobody answers at {address}"),
    marked("Check that the computer at this address runs Meadow and that your network lets you reach it."),
    marked("There is a swarm called {name} already"),
    marked("The swarm is fixed by {by}"),
    marked("The default swarm cannot be left"),
    marked("{text} is not a Meadow invitation"),
    marked("{text} is not the address of a peer"),
    marked(
        "Give an address such as /ip4/192.0.2.7/tcp/31337/p2p/12D3… or a meadow:// invitation, as `meadow serve` "
        "and `meadow bootstrap` print it."
    ),
    marked("This invitation leads to this computer itself"),
    marked("Give it to others; they paste it."),
    marked("Give another name with --name."),
    marked("No swarm called {name} is kept here"),
    marked("`meadow swarm list` shows those that are kept."),
    marked("Start the engine without {by} to choose another."),
    marked("Where others reach this computer is only known while its engine runs"),
    marked("Start Meadow (`meadow` or `meadow --no-gui`) and try again."),
    marked("Make or join another one to be elsewhere; `initial_peers` in the settings says what the default one is."),
    marked("{path}, which says in which swarm this computer is, cannot be read ({why})"),
    marked("Mend the file, or delete it to go back to the default swarm."),
    marked("`meadow swarm leave {name}` goes back to the default swarm."),
    marked("The network part of Meadow (p2pd) ended while it started"),
    marked("The network part of Meadow (p2pd) did not start"),
    marked("Look at the log for the reason; reinstalling hivemind helps when p2pd itself does not start."),
    marked("The network part of Meadow (p2pd) is being started again"),
    marked("Try again in a moment."),
    # Models, and what of them this computer can hold.
    marked("There is no folder {model}, and no model can have this name"),
    marked("There is no folder {model}, and no model of this name is on this computer"),
    marked("There is no folder {model}, and no model of this name could be fetched"),
    marked("There is no folder {model}"),
    marked("Give a folder that holds a model in Hugging Face's format, or the name of a model on huggingface.co."),
    marked("{model} holds no config.json, so it is not a model"),
    marked("The config.json of {model} is not valid JSON"),
    marked("The config.json of {model} does not describe a model that Transformers knows"),
    marked("The model {model} has no transformer layers"),
    marked("{model} holds no weights in the form that Meadow reads (safetensors)"),
    marked("{model} lacks a file that it says it has"),
    marked("{model} names a file {file} that it does not hold"),
    marked("{model} has no tokenizer, so it cannot chat"),
    marked("Put its tokenizer.json beside its config.json."),
    marked("The weights of {model} cannot be read"),
    marked("A file of the model may be damaged or incomplete: delete its files, and fetch it again."),
    marked("The weights of {model} lack {number} tensors of layers {start}:{end}"),
    marked("Transformers has no {kind} for the architecture {architecture}"),
    marked("{kind} does not keep its layers in one list, so it cannot be cut"),
    marked("The model's forward pass did not reach its last layer"),
    marked("Choose a text generation model whose architecture the installed transformers package knows."),
    marked("Layers {start}:{end} cannot be hosted: the model has {number} layers"),
    marked("Give --layers A:B with 0 <= A < B <= {number}; B itself is not included."),
    marked("{text} is not a range of layers"),
    marked("Give it as A:B, such as 0:4 for the first four layers."),
    marked("Layers {start}:{end} of {model} cannot be computed on {device} as asked"),
    marked("Try another --dtype, --quantization or --device."),
    marked("The files of {model} that can be had here are not those that the swarm holds"),
    marked("Get the files that the others have, or update them, and write their place into the setting `models`."),
    # Files of models.
    marked("huggingface.co cannot be reached ({why})"),
    marked("huggingface.co cannot be reached"),
    marked("Check the network and try again; what has arrived is kept."),
    marked("The makers of {model} give it only to those who ask for it"),
    marked("huggingface.co holds no model {model} that you may see"),
    marked("Check the name; for a private model log in with `hf auth login`."),
    marked("Free some space there and try again; what has arrived is kept."),
    marked("Try again; what has arrived is kept. The log may say more."),
    marked("{model} is in use now, so its files stay"),
    marked(
        "Pause sharing, or choose another model for it; a model that was chatted with is free once Meadow restarts."
    ),
    marked("Start Meadow without this variable to fetch models."),
    marked("Ask for it at {address}, then log in here with `hf auth login`."),
    marked("{model} did not arrive as the Hub announced it"),
    marked("Try again; damaged parts are fetched anew."),
    marked("{problem}: {missing} GB more are needed"),
    marked("The disk with {folder} has not enough space"),
    marked(
        "The files of {model} need {needed} more on the disk, where model files take {present} of the {limit} that "
        "they may"
    ),
    marked("Delete a model that you do not need, or raise the setting models_gb."),
    marked("The process that fetched {model} ended by itself"),
    marked("Fetching cannot be started ({reason})"),
    marked("Look at the log."),
    marked("{model} is not being fetched"),
    marked("GET /api/downloads lists those that were begun."),
    marked("There are no files of {model} in the cache on this computer"),
    marked("GET /api/storage names all that are."),
    # What a desktop tells of the person.
    marked(
        "Meadow cannot tell whether somebody is at this computer, because it found no desktop session, and takes "
        "it as in use."
    ),
    marked("Start it from within the desktop; on a server, choose to share always."),
    marked(
        "This desktop does not tell programs for how long nobody has used the keyboard or mouse, so Meadow takes "
        "the computer as in use."
    ),
    marked("Choose the hours in which to share, or share and pause by hand."),
    marked("This desktop tells only after a while that nobody is there, and perhaps never."),
    marked(
        "If Meadow does not begin to share, let the screen turn off by itself after a few minutes, or choose the "
        "hours in which to share."
    ),
    marked(
        "Programs inside WSL cannot see whether somebody uses the keyboard or mouse, so Meadow takes the computer "
        "as in use."
    ),
    marked(
        "The system did not tell for how long nobody has used the keyboard or mouse, so Meadow takes the computer "
        "as in use."
    ),
    marked("Start Meadow as the person who is logged in, not as a system service."),
    # Settings.
    marked("{cool} ({cool_c}) has to be lower than {hot} ({hot_c})"),
    marked("Sharing stays off until this is mended"),
    marked("{path} has {number} problem(s): {problems}"),
    marked("Mend the file, or delete it for the defaults."),
    marked("Nothing was changed."),
    marked("docs/settings.md says what every setting may be."),
    marked("Start the engine without {by} to change it here."),
    marked("Free some space on this disk and try again."),
    marked("Let your user write in {folder}, or use --base-dir."),
    # Starting with the computer.
    marked("the launch agent {path} starts the app when you log in"),
    marked("the value {name} of the registry key {key} starts the app at login"),
    marked("Meadow can still be started by hand."),
    marked("Meadow cannot start by itself from a folder with this name: {folder}"),
    marked("Give the folder a name without line breaks and other invisible characters."),
    marked("Windows starts no command longer than {limit} characters; this one has {number}"),
    marked("Use a folder with a shorter path for --base-dir, or install Meadow in one."),
    marked("The registry key {key} cannot be changed ({reason})"),
    marked("Ask whoever manages this computer whether programs may start by themselves."),
    marked("{path} cannot be removed ({reason})"),
    marked("Let your user write in {folder}."),
    # Everything else.
    marked("{path} cannot be written ({reason}); the settings are as before"),
    marked("{name} is fixed by {by}"),
    marked("Check the disk and its permissions."),
    marked("Meadow failed on this computer."),
    marked("The log says more; please report it."),
    marked("The desktop is not installed here, so there is no app to start"),
    marked("the autostart entry {path} starts the app when you log in to the desktop"),
    marked("{path} cannot be written ({reason})"),
    marked("Cannot listen on {address}: another program uses this port"),
    marked("Choose another port, or 0 to let the system choose one."),
    marked("{path} is not an identity file of Meadow"),
    marked("Move it away; a new identity is made at the next start."),
    marked("Meadow runs already on this computer"),
    marked("Use the running one (meadow status), or end it first."),
    marked("The system says: {reason} ({path})"),
    marked("The system says: {reason}"),
    marked("Check the disk, its permissions and the network."),
    # What is wrong with one of the settings; the problem is among the values below.
    marked("{name}: {problem}"),
)

VALUES = (
    # Ranges of layers.
    marked("layers {some} and {last}"),
    marked("layers {layers}"),
    marked("layer {layer}"),
    # Why the system refuses; other reasons stay as it words them.
    marked("No space left on device"),
    marked("Permission denied"),
    marked("Read-only file system"),
    marked("No such file or directory"),
    marked("Input/output error"),
    marked("it is damaged"),
    marked("it cannot be read ({reason})"),
    marked("the swarm in use is not in it"),
    # Why the Hub cannot be reached.
    marked("something else answers in its place"),
    marked("HF_HUB_OFFLINE is set"),
    marked("it answers {status}"),
    # What a setting may be.
    marked("entry {number} {problem}"),
    marked("has to be at least {limit}"),
    marked("has to be at most {limit}"),
    marked("has to be true or false"),
    marked("has to be a whole number"),
    marked("has to be a number"),
    marked("has to be a text"),
    marked("has to be a list of texts"),
    marked("has to be 0, for no limit, or at least 1"),
    marked("has to be {choices}"),
    marked("has to have at most {number} characters"),
    marked("has to have at most {number} entries"),
    marked("is empty"),
    marked("has another form than this: {form}"),
    marked("{problem}; perhaps {name} is meant"),
    marked("there is no such setting"),
    # Hours of the week.
    marked("{text} is not a time of the week: {form}"),
    marked("{text} has no hours behind the days: {form}"),
    marked("write it as mon-fri 22:00-07:00"),
    marked("{text} has no day {day}: days are mon, tue, wed, thu, fri, sat and sun"),
    marked("{text} has no hours such as 22:00-07:00"),
    marked("{text} names a time that no day has: they go from 00:00 to 24:00"),
    marked("{text} ends when it begins: for the whole day leave the hours out"),
)
"""Parts of sentences, which are values of others."""
