-- One row per variable and bucket: histograms of how visits, baskets and prices are spread. Variables:
-- `events_per_session`, `pages_per_session` (views and visits of pages), `session_minutes` (first to last
-- event; 0 with one event) over all visits; `items_per_basket` (units) and `order_value` over all orders of
-- all shops up to the as-of date; `sold_price` (unit price before discount) over all sales lines that count;
-- `product_price` (list price now) over active goods. A bucket holds lower_bound <= x < upper_bound; bounds
-- of money follow 1-2-5, so that they fit any currency. Buckets run without gaps from the first to the last
-- that holds anything.
with visits as (
    select
        v.events,
        v.visits + v.views as pages,
        v.duration_seconds
    from core.visits as v
),

orders as (
    select
        o.units,
        o.order_value
    from core.orders as o
    cross join core.clock as c
    where o.order_date <= c.as_of_date
),

lines as (
    select s.unit_price
    from core.sales as s
    cross join core.clock as c
    where s.is_valid and s.line_type = 'sale' and s.sold_date <= c.as_of_date
),

products as (
    select p.price
    from core.products as p
    where p.is_active and p.product_type = 'goods' and p.price is not null
),

observed as (
    select 'events_per_session' as variable, v.events::numeric(18, 4) as x, count(*) as n
    from visits as v
    group by v.events
    union all
    select 'pages_per_session' as variable, v.pages::numeric(18, 4) as x, count(*) as n
    from visits as v
    group by v.pages
    union all
    select 'session_minutes' as variable, (v.duration_seconds / 60)::numeric(18, 4) as x, count(*) as n
    from visits as v
    group by v.duration_seconds
    union all
    select 'items_per_basket' as variable, o.units::numeric(18, 4) as x, count(*) as n
    from orders as o
    group by o.units
    union all
    select 'order_value' as variable, o.order_value::numeric(18, 4) as x, count(*) as n
    from orders as o
    group by o.order_value
    union all
    select 'sold_price' as variable, l.unit_price::numeric(18, 4) as x, count(*) as n
    from lines as l
    where l.unit_price is not null
    group by l.unit_price
    union all
    select 'product_price' as variable, p.price::numeric(18, 4) as x, count(*) as n
    from products as p
    group by p.price
),

scales as (
    select s.scale, s.lower_bound::bigint as lower_bound
    from (
        values
            ('counts', 0), ('counts', 1), ('counts', 2), ('counts', 3), ('counts', 4), ('counts', 5),
            ('counts', 6), ('counts', 11), ('counts', 21), ('counts', 51), ('counts', 101), ('minutes', 0),
            ('minutes', 1), ('minutes', 2), ('minutes', 3), ('minutes', 5), ('minutes', 10),
            ('minutes', 20), ('minutes', 30), ('minutes', 60), ('minutes', 120), ('money', 0), ('money', 1),
            ('money', 2), ('money', 5), ('money', 10), ('money', 20), ('money', 50), ('money', 100),
            ('money', 200), ('money', 500), ('money', 1000), ('money', 2000), ('money', 5000),
            ('money', 10000), ('money', 20000), ('money', 50000), ('money', 100000), ('money', 200000),
            ('money', 500000), ('money', 1000000), ('money', 2000000), ('money', 5000000),
            ('money', 10000000)
    ) as s(scale, lower_bound)
),

buckets as (
    select
        v.variable,
        s.scale,
        s.lower_bound,
        lead(s.lower_bound) over (partition by v.variable order by s.lower_bound) as upper_bound,
        row_number() over (partition by v.variable order by s.lower_bound) as place
    from scales as s
    inner join (
        values
            ('events_per_session', 'counts'), ('pages_per_session', 'counts'),
            ('session_minutes', 'minutes'), ('items_per_basket', 'counts'), ('order_value', 'money'),
            ('sold_price', 'money'), ('product_price', 'money')
    ) as v(variable, scale) on s.scale = v.scale
),

counted as (
    select
        b.variable,
        b.scale,
        b.lower_bound,
        b.upper_bound,
        b.place,
        coalesce(sum(o.n), 0) as n
    from buckets as b
    left join observed as o
        on b.variable = o.variable
        and o.x >= b.lower_bound
        and (b.upper_bound is null or o.x < b.upper_bound)
    group by b.variable, b.scale, b.lower_bound, b.upper_bound, b.place
),

spans as (
    select
        c.variable,
        min(c.place) filter (where c.n > 0) as first_place,
        max(c.place) filter (where c.n > 0) as last_place,
        sum(c.n) as all_n
    from counted as c
    group by c.variable
),

final as (
    select
        c.variable,
        c.lower_bound::numeric(18, 4) as lower_bound,
        c.upper_bound::numeric(18, 4) as upper_bound,
        case
            when c.upper_bound is null then c.lower_bound::text || '+'
            when c.scale = 'counts' and c.upper_bound = c.lower_bound + 1 then c.lower_bound::text
            when c.scale = 'counts' then c.lower_bound::text || '-' || (c.upper_bound - 1)::text
            else c.lower_bound::text || '-' || c.upper_bound::text
        end as bucket,
        c.place as sort_order,
        c.n,
        s.all_n,
        c.n::double precision / nullif(s.all_n, 0) as share
    from counted as c
    inner join spans as s
        on c.variable = s.variable and c.place >= s.first_place and c.place <= s.last_place
)

select * from final
