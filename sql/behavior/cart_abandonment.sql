-- One row per product, category, kind of device, place, or the whole shop, and month or all months:
-- carts and how many of them were abandoned. A cart is a session at whose end more of a product was put in
-- than taken out; in the rows of products and categories it is each such product of each session. What
-- abandoned means stands at behavior.abandoned_carts, whose rows are counted here. Carts whose grace time
-- still runs are neither (`carts_open`). Recovery counts abandoned carts whose recovery time is over, if one
-- of their products (in the rows of products and categories, the product) was bought in it. The month is that
-- of the session.
with clock as (
    select
        c.first_interaction_date,
        c.as_of_date,
        c.currency,
        (c.as_of_date + 1)::timestamp at time zone p.timezone as data_end_at,
        p.cart_grace_hours * interval '1 hour' as grace,
        p.min_group_size,
        1.959964::double precision as z
    from core.clock as c
    cross join core.parameters as p
),

months as (
    select distinct d.month
    from core.calendar as d
    cross join clock as c
    where d.day between c.first_interaction_date and c.as_of_date
),

visits as (
    select
        v.session_id,
        v.session_month as month,
        v.device_type,
        v.location,
        v.ended_at
    from core.visits as v
),

products as (
    select
        p.product_id,
        p.product_name,
        p.category
    from core.products as p
),

events as (
    select
        a.session_id,
        a.product_id,
        a.event_type,
        coalesce(a.quantity, 1) as quantity
    from core.activity as a
    where a.event_type in ('cart', 'remove_from_cart', 'purchase')
        and a.product_id is not null
        and a.session_id is not null
),

abandoned as (
    select
        a.session_id,
        a.product_id,
        a.quantity,
        a.value,
        a.is_recovered,
        a.is_mature
    from behavior.abandoned_carts as a
),

lines as (
    select
        e.session_id,
        e.product_id,
        coalesce(sum(e.quantity) filter (where e.event_type = 'cart'), 0) as carted,
        coalesce(sum(e.quantity) filter (where e.event_type = 'remove_from_cart'), 0) as removed,
        coalesce(sum(e.quantity) filter (where e.event_type = 'purchase'), 0) as bought,
        count(*) filter (where e.event_type = 'cart') as carts
    from events as e
    group by e.session_id, e.product_id
),

filled as (
    select
        l.session_id,
        l.product_id,
        p.category,
        v.month,
        v.device_type,
        v.location,
        v.ended_at + c.grace > c.data_end_at as is_open,
        l.carted,
        l.removed,
        l.bought,
        a.session_id is not null as is_abandoned,
        coalesce(a.is_mature, false) as is_mature,
        coalesce(a.is_mature and a.is_recovered, false) as is_recovered,
        coalesce(a.quantity, 0) as left_quantity,
        coalesce(a.value, 0) as left_value
    from lines as l
    cross join clock as c
    inner join visits as v on l.session_id = v.session_id
    inner join products as p on l.product_id = p.product_id
    left join abandoned as a on l.session_id = a.session_id and l.product_id = a.product_id
    where l.carts > 0 and l.carted > l.removed
),

sessions as (
    select
        f.session_id,
        f.month,
        f.device_type,
        f.location,
        f.is_open,
        sum(f.carted) as carted,
        sum(f.removed) as removed,
        sum(f.bought) as bought,
        bool_or(f.is_abandoned) as is_abandoned,
        bool_or(f.is_mature) as is_mature,
        bool_or(f.is_recovered) as is_recovered,
        sum(f.left_quantity) as left_quantity,
        sum(f.left_value) as left_value
    from filled as f
    group by f.session_id, f.month, f.device_type, f.location, f.is_open
),

-- of sessions by kind of device and place, of products in them by product and category
carts as (
    select
        b.scope,
        case b.scope
            when 'all' then 'all'
            when 'device_type' then s.device_type
            else s.location
        end as key,
        s.month,
        s.is_open,
        s.carted,
        s.removed,
        s.bought,
        s.is_abandoned,
        s.is_mature,
        s.is_recovered,
        s.left_quantity,
        s.left_value
    from sessions as s
    cross join (values ('all'), ('device_type'), ('location')) as b(scope)
    union all
    select
        b.scope,
        case b.scope when 'product' then f.product_id else f.category end as key,
        f.month,
        f.is_open,
        f.carted,
        f.removed,
        f.bought,
        f.is_abandoned,
        f.is_mature,
        f.is_recovered,
        f.left_quantity,
        f.left_value
    from filled as f
    cross join (values ('product'), ('category')) as b(scope)
),

sums as (
    select
        k.scope,
        k.key,
        k.month,
        count(*) filter (where not k.is_open) as cart_count,
        count(*) filter (where k.is_open) as carts_open,
        count(*) filter (where k.is_abandoned) as abandoned_count,
        count(*) filter (where k.is_abandoned and k.is_mature) as mature_count,
        count(*) filter (where k.is_recovered) as recovered_count,
        sum(k.left_value) as abandoned_value,
        sum(case when k.is_open then 0 else k.carted end) as carted_units,
        sum(case when k.is_open then 0 else k.removed end) as removed_units,
        sum(case when k.is_open then 0 else k.bought end) as purchased_units,
        sum(k.left_quantity) as left_units
    from carts as k
    group by grouping sets ((k.scope, k.key, k.month), (k.scope, k.key))
),

rows_wanted as (
    select
        'all' as scope,
        'all' as key
    from clock as c
    where c.first_interaction_date <= c.as_of_date
    union
    select
        s.scope,
        s.key
    from sums as s
    where s.scope <> 'product'
),

periods as (
    select
        m.month,
        to_char(m.month, 'YYYY-MM') as period_name
    from months as m
    union all
    select
        null as month,
        'all' as period_name
    from clock as c
),

spine as (
    select
        m.scope,
        m.key,
        p.month,
        p.period_name
    from rows_wanted as m
    cross join periods as p
    union all
    select
        s.scope,
        s.key,
        s.month,
        p.period_name
    from sums as s
    inner join periods as p on s.month is not distinct from p.month
    where s.scope = 'product'
),

figures as (
    select
        s.scope,
        s.key,
        s.period_name,
        s.month,
        coalesce(f.cart_count, 0) as cart_count,
        coalesce(f.abandoned_count, 0) as abandoned_count,
        coalesce(f.carts_open, 0) as carts_open,
        coalesce(f.mature_count, 0) as mature_count,
        coalesce(f.recovered_count, 0) as recovered_count,
        coalesce(f.abandoned_value, 0) as abandoned_value,
        coalesce(f.carted_units, 0) as carted_units,
        coalesce(f.removed_units, 0) as removed_units,
        coalesce(f.purchased_units, 0) as purchased_units,
        coalesce(f.left_units, 0) as left_units
    from spine as s
    left join sums as f on s.scope = f.scope and s.key = f.key and s.month is not distinct from f.month
),

-- Wilson's score interval, both ends multiplied by n + z²
intervals as (
    select
        f.scope,
        f.key,
        f.period_name,
        f.abandoned_count + c.z * c.z / 2 as middle,
        c.z * sqrt(
            f.abandoned_count::double precision * (f.cart_count - f.abandoned_count) / nullif(f.cart_count, 0)
            + c.z * c.z / 4
        ) as half,
        nullif(f.cart_count, 0) + c.z * c.z as divisor,
        f.cart_count < c.min_group_size as low_n
    from figures as f
    cross join clock as c
),

final as (
    select
        f.scope,
        f.key,
        f.period_name,
        f.month,
        p.product_id,
        p.product_name,
        case when f.scope = 'category' then f.key else p.category end as category,
        f.cart_count,
        f.abandoned_count,
        f.abandoned_count::double precision / nullif(f.cart_count, 0) as abandonment_rate,
        case
            when f.abandoned_count = 0 and f.cart_count > 0 then 0
            else (i.middle - i.half) / nullif(i.divisor, 0)
        end as ci_low,
        case
            when f.abandoned_count = f.cart_count and f.cart_count > 0 then 1
            else (i.middle + i.half) / nullif(i.divisor, 0)
        end as ci_high,
        f.carts_open,
        f.mature_count,
        f.recovered_count,
        f.recovered_count::double precision / nullif(f.mature_count, 0) as recovery_rate,
        f.abandoned_value,
        f.carted_units,
        f.removed_units,
        f.purchased_units,
        f.left_units,
        c.currency,
        i.low_n
    from figures as f
    cross join clock as c
    inner join intervals as i on f.scope = i.scope and f.key = i.key and f.period_name = i.period_name
    left join products as p on f.scope = 'product' and f.key = p.product_id
)

select * from final
