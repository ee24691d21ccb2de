-- One row per level and name: its number, in the order of the names. The levels are products, kinds of
-- events, kinds of pages and addresses of pages; tables that sort and group all events take the numbers,
-- which need a fraction of the memory that texts do. A path names its beginning and end `START` and `EXIT`; a
-- kind of page that is called so stands there in small letters, as `state`, and has the number of that as
-- `state_number`.
with activity as (
    select
        a.event_type,
        a.page_type,
        a.page_url
    from core.activity as a
),

visits as (
    select
        v.entry_page_type,
        v.exit_page_type,
        v.entry_page_url,
        v.exit_page_url
    from core.visits as v
),

page_types as (
    select a.page_type from activity as a
    union
    select v.entry_page_type as page_type from visits as v
    union
    select v.exit_page_type as page_type from visits as v
),

page_urls as (
    select a.page_url from activity as a
    union
    select v.entry_page_url as page_url from visits as v
    union
    select v.exit_page_url as page_url from visits as v
),

names as (
    select
        'product' as level,
        p.product_id as name
    from core.products as p
    union
    select
        'event_type' as level,
        a.event_type as name
    from activity as a
    union
    select
        'page_type' as level,
        t.page_type as name
    from page_types as t
    union
    select
        'page_type' as level,
        lower(t.page_type) as name
    from page_types as t
    where t.page_type in ('START', 'EXIT')
    union
    select
        'page_url' as level,
        u.page_url as name
    from page_urls as u
),

numbers as (
    select
        n.level,
        n.name,
        case when n.level = 'page_type' and n.name in ('START', 'EXIT') then lower(n.name) else n.name end
            as state,
        row_number() over (partition by n.level order by n.name) as number
    from names as n
    where n.name is not null
),

final as (
    select
        n.level,
        n.name,
        n.number,
        n.state,
        s.number as state_number
    from numbers as n
    inner join numbers as s on n.level = s.level and n.state = s.name
)

select * from final
