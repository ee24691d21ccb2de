-- One row per local day and kind of event: how many events there were, and of how many visitors. The days run
-- without gaps from the first interaction to the as-of date, all kinds on each day, with zeros where nothing
-- happened. A purchase that both the tracker and the sales know is one event; purchases that only sales know
-- are in, those of shops whose channel is `store` and bots are not. Distinct counts must not be added up over
-- rows.
with activity as (
    select
        a.occurred_date as day,
        a.event_source,
        a.event_type,
        a.visitor_id,
        a.customer_id,
        a.product_id
    from core.activity as a
),

tracked as (
    select min(a.day) as begin_date
    from activity as a
    where a.event_source = 'interaction'
),

spine as (
    select
        d.day,
        t.event_type
    from core.calendar as d
    cross join core.clock as c
    cross join tracked as b
    cross join (
        values
            ('visit'), ('view'), ('search'), ('cart'), ('remove_from_cart'), ('wishlist'), ('checkout'),
            ('purchase')
    ) as t(event_type)
    where d.day >= b.begin_date and d.day <= c.as_of_date
),

counts as (
    select
        a.day,
        a.event_type,
        count(*) as events,
        count(distinct a.visitor_id) as visitors,
        count(distinct a.customer_id) as customers,
        count(distinct a.product_id) as products
    from activity as a
    group by a.day, a.event_type
),

final as (
    select
        s.day,
        s.event_type,
        coalesce(n.events, 0) as events,
        coalesce(n.visitors, 0) as visitors,
        coalesce(n.customers, 0) as customers,
        coalesce(n.products, 0) as products
    from spine as s
    left join counts as n on s.day = n.day and s.event_type = n.event_type
)

select * from final
