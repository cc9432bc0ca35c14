"""A hundred made-up facts, each with two questions: one in other words throughout, so that nothing that means
something is in both (`passages.py` makes sure of it), and one that names the thing it is about."""

NEEDLES = (
    (
        "A green bucket in the barn hides the spare key.",
        "Where is the second latchkey concealed?",
        "Where in the barn can one find the second key?",
    ),
    (
        "Walnuts make the choirmaster's throat swell.",
        "Which food is the leader of the singers allergic to?",
        "What food is the choirmaster allergic to?",
    ),
    (
        "Her grandfather sold his tractor to buy a cello.",
        "How did the old man pay for a musical instrument?",
        "How did the grandfather get the money for the cello?",
    ),
    (
        "The lighthouse was painted orange last spring.",
        "What colour does the beacon on the coast have now?",
        "What colour does the lighthouse have now?",
    ),
    (
        "After losing a bet he swam across the quarry.",
        "What was the man's punishment in the wager?",
        "What made him cross the quarry without a boat?",
    ),
    (
        "On Tuesdays she teaches Latin to small children.",
        "Which ancient language do kids learn from the woman?",
        "Which ancient language do the children learn on Tuesdays?",
    ),
    (
        "A Roman coin turned up between the potatoes.",
        "What old money was discovered while digging vegetables?",
        "What did somebody discover while digging potatoes?",
    ),
    (
        "Accordions are mended in a disused railway carriage.",
        "Where can one get a squeezebox repaired?",
        "Where can one get an accordion repaired?",
    ),
    (
        "He walked four hundred miles with a donkey.",
        "Which animal came along on the long hike?",
        "Which animal went along on the four hundred mile hike?",
    ),
    (
        "The two of them were married on an iceberg.",
        "Where was the couple's wedding?",
        "On what piece of ice was the couple's wedding?",
    ),
    (
        "Our parrot whistles the national anthem backwards.",
        "Which tune can the pet bird perform in reverse?",
        "Which tune can the parrot perform in reverse?",
    ),
    (
        "Saffron was smuggled inside hollow candles.",
        "How did criminals get the expensive spice over the border?",
        "How did criminals get the saffron over the border?",
    ),
    (
        "The village clock runs nine minutes fast.",
        "By how much is the tower's timepiece wrong?",
        "By how much is the village clock wrong?",
    ),
    (
        "Bees nested in the church organ all summer.",
        "Which insects lived in the pipes of the sacred instrument?",
        "Which insects lived in the church organ?",
    ),
    (
        "The surgeon knits socks before each operation.",
        "What calms the doctor who is about to cut a patient?",
        "What does the surgeon do with needles and wool to calm down?",
    ),
    (
        "A meteorite fell through the baker's roof in March.",
        "What crashed from space into the bread shop?",
        "What crashed through the roof of the bakery?",
    ),
    (
        "The mayor keeps a crocodile in the bathtub.",
        "Which reptile is in the town leader's washroom?",
        "Which reptile does the mayor have at home?",
    ),
    (
        "Penguins stole the expedition's last sardines.",
        "Who robbed the polar explorers of their tinned fish?",
        "Who robbed the expedition of its sardines?",
    ),
    (
        "The bridge is held together with violin strings.",
        "What stops the crossing over the river from collapsing?",
        "What stops the bridge from falling apart?",
    ),
    (
        "Her tattoo shows a map of Lisbon's trams.",
        "What is inked on the skin of the lady?",
        "What city can be seen on her tattoo?",
    ),
    (
        "The team's goalie has a wooden leg.",
        "Which body part does the keeper of the net lack?",
        "What is unusual about the goalie's body?",
    ),
    (
        "Twins opened a museum of lost umbrellas.",
        "What can visitors of the siblings' exhibition look at?",
        "What can visitors of the twins' museum look at?",
    ),
    (
        "The submarine was built of old wine barrels.",
        "From which material was the underwater vessel made?",
        "From which material was the submarine made?",
    ),
    (
        "Snow fell in the desert on their first night.",
        "Which weather surprised the campers among the dunes?",
        "What surprised the travellers in the desert?",
    ),
    (
        "The chess champion is afraid of bishops.",
        "Which piece frightens the best board game player?",
        "Which piece frightens the chess champion?",
    ),
    (
        "A hedgehog won the village marathon in 1988.",
        "What creature came first in the race?",
        "What creature came first in the village marathon?",
    ),
    (
        "The dentist collects teeth of dinosaurs.",
        "What hobby has the man who drills in mouths?",
        "What does the dentist have a collection of?",
    ),
    (
        "Lightning struck the same oak seven times.",
        "How often was the tree hit by thunderstorms?",
        "How often was the oak hit by a thunderstorm?",
    ),
    (
        "He cured his hiccups by reading tax law aloud.",
        "What helped against the spasms of his diaphragm?",
        "What did he recite against his hiccups?",
    ),
    (
        "The ship's cook was a retired ballet dancer.",
        "What profession did the galley chef have earlier?",
        "What was the ship's cook by profession before?",
    ),
    (
        "Their honeymoon ended in a Mongolian prison.",
        "Where were the newlyweds locked up?",
        "Where were the couple locked up on their honeymoon?",
    ),
    (
        "A llama carries the mail up to the monastery.",
        "Who delivers letters to the monks in the mountains?",
        "Which animal brings letters to the monastery?",
    ),
    (
        "The pianist lost two fingers to frostbite.",
        "Which injury did the cold do to the keyboard player?",
        "Which injury did the cold do to the pianist?",
    ),
    (
        "Garlic is forbidden on the night train to Odessa.",
        "What may passengers of the sleeper not eat?",
        "What may passengers of the train to Odessa not eat?",
    ),
    (
        "The hermit owns eleven identical raincoats.",
        "What clothing does the recluse have many copies of?",
        "What clothing does the hermit have many copies of?",
    ),
    (
        "A whale swallowed the fisherman's wedding ring.",
        "What jewellery was lost to a sea mammal?",
        "Which animal has the ring of the fisherman?",
    ),
    (
        "The twelve jurors fell asleep during the verdict.",
        "What did the court's lay judges do at the end of the trial?",
        "What did the jurors do instead of listening?",
    ),
    (
        "Moss from the north wall cures her headache.",
        "Which plant does she take against migraine?",
        "Which plant does she take against headaches?",
    ),
    (
        "The astronaut smuggled a sandwich into orbit.",
        "What snack was secretly brought aboard the spacecraft?",
        "What snack did the astronaut secretly bring along?",
    ),
    (
        "His beard caught fire at the cheese festival.",
        "What happened to the man's facial hair?",
        "What went up in flames at the cheese festival?",
    ),
    (
        "Wolves guard the vineyard instead of dogs.",
        "Which beasts protect the grapes?",
        "Which beasts protect the vineyard?",
    ),
    (
        "The librarian bakes a cake for every overdue book.",
        "What dessert do late borrowers get?",
        "What do readers get from the librarian when they are late with a book?",
    ),
    (
        "A magnet in her hat finds buried nails.",
        "How does she detect hidden bits of iron?",
        "How does she detect nails in the ground?",
    ),
    (
        "The island's only taxi is pulled by goats.",
        "How are cab customers moved around there?",
        "Which animals move the taxi on the island?",
    ),
    (
        "He paid the rent with a sack of oysters.",
        "Which seafood did the tenant give to the landlord?",
        "With which seafood did he settle the rent?",
    ),
    (
        "The tunnel was dug by hand with soup spoons.",
        "Which cutlery served the prisoners as shovels?",
        "Which cutlery served to make the tunnel?",
    ),
    (
        "Her uncle invented a silent trumpet.",
        "What noiseless thing did the relative create?",
        "What is odd about the trumpet that her uncle created?",
    ),
    (
        "The puppet theatre burned down on Christmas Eve.",
        "When was the marionette stage destroyed by flames?",
        "When was the puppet theatre destroyed by flames?",
    ),
    (
        "Camels drink from the fountain at the embassy.",
        "What desert animals refresh themselves at the diplomats' place?",
        "Which animals visit the embassy when they are thirsty?",
    ),
    (
        "The weather vane points to buried treasure.",
        "What reveals where the hoard of gold lies?",
        "What shows where the treasure lies in the ground?",
    ),
    (
        "He proposed to her inside a hot air balloon.",
        "Where did he ask for her hand?",
        "Where was she when he asked her to marry him?",
    ),
    (
        "The recipe needs the milk of a reindeer.",
        "Which dairy ingredient does the dish call for?",
        "From which animal is the milk in the recipe?",
    ),
    (
        "A ghost is said to iron shirts in the attic.",
        "What housework does the spirit do upstairs?",
        "What housework does the ghost do?",
    ),
    (
        "The detective never leaves home without chalk.",
        "What does the sleuth always carry?",
        "What does the detective always carry in the pocket?",
    ),
    (
        "Crows learned to open the jeweller's safe.",
        "Which birds can break into a strongbox?",
        "Which birds can get into the jeweller's safe?",
    ),
    (
        "The painter signs his canvases with a paw print.",
        "How does the artist mark finished works?",
        "How does the painter mark finished canvases?",
    ),
    (
        "Salt made her great-grandmother a millionaire.",
        "Which seasoning brought the ancestor riches?",
        "Which seasoning brought her great-grandmother wealth?",
    ),
    (
        "The elevator stops only at prime numbers.",
        "At which floors does the lift halt?",
        "At which floors does the elevator halt?",
    ),
    (
        "A blind gardener tends the royal roses.",
        "Who cares for the king's flowers?",
        "What is wrong with the eyes of the man who cares for the roses?",
    ),
    (
        "He can fold a napkin into forty swans.",
        "What figures does he make from table linen?",
        "Which bird can he make from a napkin?",
    ),
    (
        "The orchestra was stranded on a sandbar.",
        "Where did the musicians' boat run aground?",
        "Where did the ship of the orchestra run aground?",
    ),
    (
        "Her glass eye once belonged to a pirate.",
        "What did the woman inherit from a buccaneer?",
        "Who was the first owner of her glass eye?",
    ),
    (
        "The postman speaks fluent Icelandic with his cat.",
        "In what tongue is the pet addressed by the letter carrier?",
        "In what language does the postman talk to his pet?",
    ),
    (
        "Sheep graze on the roof of the parliament.",
        "Which livestock feeds on top of the legislature?",
        "Which livestock feeds on top of the parliament?",
    ),
    (
        "The smallest cinema has three velvet seats.",
        "How many spectators fit in the tiny movie house?",
        "How many people fit in the smallest cinema?",
    ),
    (
        "He was struck dumb by a falling coconut.",
        "Which fruit injured him so that he could not talk?",
        "Which falling fruit took away his voice?",
    ),
    (
        "The nuns brew a beer that tastes of violets.",
        "What flavour has the ale from the convent?",
        "What flavour has the beer from the convent?",
    ),
    (
        "A bear attended the hunters' annual dinner.",
        "Which uninvited guest came to the shooters' banquet?",
        "Which uninvited guest came to the banquet of the hunters?",
    ),
    (
        "The ventriloquist's dummy was elected sheriff.",
        "Who became the lawman of the county?",
        "Who won the vote and is sheriff now?",
    ),
    (
        "Her shoes are soled with bicycle tyres.",
        "What rubber is under the footwear?",
        "What are the undersides of her shoes made of?",
    ),
    (
        "The glacier gave back a mountaineer's pipe.",
        "Which smoking utensil melted out of the ice?",
        "What belonging of a climber melted out of the glacier?",
    ),
    (
        "Frogs foretell earthquakes in their valley.",
        "Which amphibians warn people before the ground shakes?",
        "Which animals in the valley warn of earthquakes?",
    ),
    (
        "The general hid his diary in a drum.",
        "Where did the army commander keep his secret journal?",
        "Where did the general keep his secret diary?",
    ),
    (
        "They shear the alpacas to waltz music.",
        "What is played while the wool is cut?",
        "What is played while the alpacas lose their wool?",
    ),
    (
        "A trapdoor under the altar leads to a pub.",
        "Where does the secret passage in the chapel end?",
        "Where does one get by the hidden door at the altar?",
    ),
    (
        "The tailor measures customers with spaghetti.",
        "What does the suit maker use as a ruler?",
        "What does the tailor use instead of a tape?",
    ),
    (
        "Her pillow is stuffed with dried lavender.",
        "Which herb fills what she rests her head on?",
        "Which herb is in her pillow?",
    ),
    (
        "The zoo's oldest tortoise was born in 1834.",
        "What is the birth year of the aged reptile with the shell?",
        "How old is the tortoise of the zoo?",
    ),
    (
        "A comet is named after the school janitor.",
        "Which celestial body bears the caretaker's name?",
        "After whom from the school was a comet called?",
    ),
    (
        "He lives on nothing but chestnuts and tea.",
        "What does his whole diet consist of?",
        "What does he eat and drink every day, chestnuts aside?",
    ),
    (
        "The pilot landed the glider in a tulip field.",
        "Among which flowers did the sailplane touch down?",
        "Among which flowers did the glider come down?",
    ),
    (
        "Fireflies light the miners' way to work.",
        "Which glowing insects show coal diggers the path?",
        "Which insects show the miners the path?",
    ),
    (
        "The statue's nose was replaced with a carrot.",
        "Which vegetable is in the face of the sculpture?",
        "Which vegetable is in the face of the statue?",
    ),
    (
        "Her violin was carved from a barn door.",
        "What wood did the fiddle come from?",
        "What was her violin once, before it was an instrument?",
    ),
    (
        "The referee forgot his whistle and yodelled.",
        "How did the umpire signal fouls without his tool?",
        "How did the referee signal fouls without a whistle?",
    ),
    (
        "An octopus opened every jar in the laboratory.",
        "Which sea dweller got into the scientists' containers?",
        "Which sea creature got into the jars of the laboratory?",
    ),
    (
        "The vampire costume was made of umbrella cloth.",
        "Which fabric was sewn into the Dracula outfit?",
        "Which fabric was sewn into the vampire costume?",
    ),
    (
        "He crossed the strait in a pumpkin.",
        "What hollowed-out gourd served him as a boat?",
        "What hollow vegetable carried him over the strait?",
    ),
    (
        "The bell was cast from melted cannons.",
        "Which weapons became the chime in the steeple?",
        "Which weapons were turned into the bell?",
    ),
    (
        "Her canary refuses to sing before noon.",
        "Until when does the yellow songster keep silent?",
        "Until what time of day does the canary keep silent?",
    ),
    (
        "A spider web stopped the factory's turbines.",
        "What brought the plant's power machines to a halt?",
        "What brought the turbines of the factory to a halt?",
    ),
    (
        "The winner received a lifetime supply of mustard.",
        "Which condiment was the prize in the contest?",
        "How much mustard did the champion of the contest get?",
    ),
    (
        "They raced snails along the castle wall.",
        "Which slow creatures competed at the fortress?",
        "Which slow animals competed at the castle?",
    ),
    (
        "The prince was raised by beekeepers.",
        "In what sort of household did the heir to the throne grow up?",
        "In what sort of household did the prince grow up?",
    ),
    (
        "His stamp collection sank with the ferry.",
        "What philatelic treasure was lost in the shipwreck?",
        "How did the stamp collection get lost?",
    ),
    (
        "Pepper spilled from the lorry and closed the motorway.",
        "Why did drivers on the highway sneeze and stop?",
        "Why did traffic on the motorway have to stop?",
    ),
    (
        "The barber cuts hair by candlelight only.",
        "Under what illumination does the hairdresser work?",
        "Under what illumination does the barber work?",
    ),
    (
        "Her ancestors traded amber for reindeer hides.",
        "What fossil resin did her forebears give for pelts?",
        "What did her ancestors give for the hides of reindeer?",
    ),
    (
        "The acrobat sleeps standing on one hand.",
        "In what position does the circus performer spend the night?",
        "In what position does the acrobat spend the night?",
    ),
    (
        "A kangaroo boxed the heavyweight to the floor.",
        "Which marsupial knocked out the fighter?",
        "Which animal knocked out the heavyweight?",
    ),
)
