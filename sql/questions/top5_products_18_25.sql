-- Which five products do customers aged 18 to 25 buy most?
-- One row per rank: goods by units, returns deducted, bought by customers of the age group `18-25` (both ages
-- included) over all time. Equal units: more net sales first, then the smaller id. Services are left out.
with customers as (
    select c.customer_id
    from core.customers as c
    where c.age_group = '18-25'
),

sums as (
    select
        s.product_id,
        sum(s.quantity) as units,
        count(distinct s.order_id) filter (where s.line_type = 'sale') as orders,
        count(distinct s.customer_id) filter (where s.line_type = 'sale') as customers,
        sum(s.net_sales) as net_sales
    from core.sales as s
    cross join core.clock as c
    inner join customers as y on s.customer_id = y.customer_id
    where s.is_valid and s.sold_date <= c.as_of_date
    group by s.product_id
),

ranked as (
    select
        row_number() over (order by t.units desc, t.net_sales desc, t.product_id) as rank,
        t.product_id,
        p.product_name,
        t.units,
        t.orders,
        t.customers,
        t.net_sales
    from sums as t
    inner join core.products as p on t.product_id = p.product_id
    where p.product_type = 'goods' and t.orders > 0
),

final as (
    select
        r.rank,
        r.product_id,
        r.product_name,
        r.units,
        r.orders,
        r.customers,
        r.net_sales,
        c.currency
    from ranked as r
    cross join core.clock as c
    where r.rank <= 5
)

select * from final
order by rank
