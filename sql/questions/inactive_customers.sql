-- Which customers have not bought for a year?
-- One row per customer whose last order lies 12 calendar months or more (a setting) before the as-of date, and per
-- customer who never ordered although known that long or of unknown age. Counted to the end of the data, never to
-- today. `customers_in_status` says in each row how many share its status; `historic_value` deducts returns.
with clock as (
    select
        c.as_of_date,
        c.currency,
        (c.as_of_date - p.inactive_after_months * interval '1 month')::date as limit_date
    from core.clock as c
    cross join core.parameters as p
),

orders as (
    select
        o.customer_id,
        max(o.order_date) as last_order_date,
        count(*) as orders
    from core.orders as o
    cross join clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id
),

sales as (
    select
        s.customer_id,
        sum(s.net_sales) as net_sales
    from core.sales as s
    cross join clock as c
    where s.customer_id is not null and s.sold_date <= c.as_of_date
    group by s.customer_id
),

judged as (
    select
        m.customer_id,
        o.last_order_date,
        c.as_of_date,
        case
            when o.last_order_date <= c.limit_date then 'inactive'
            when o.last_order_date is null and (m.join_date is null or m.join_date <= c.limit_date)
                then 'never_purchased'
        end as status,
        coalesce(o.orders, 0) as orders,
        coalesce(s.net_sales, 0) as historic_value,
        c.currency
    from core.customers as m
    cross join clock as c
    left join orders as o on m.customer_id = o.customer_id
    left join sales as s on m.customer_id = s.customer_id
),

final as (
    select
        j.customer_id,
        j.status,
        j.last_order_date,
        (extract(year from age(j.as_of_date, j.last_order_date)) * 12
        + extract(month from age(j.as_of_date, j.last_order_date)))::int as months_inactive,
        j.orders,
        j.historic_value,
        j.currency,
        count(*) over (partition by j.status) as customers_in_status
    from judged as j
    where j.status is not null
)

select * from final
order by historic_value desc, customer_id
